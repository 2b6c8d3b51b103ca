"""Workers as processes of this machine, each with a device and a share of the cores."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import IO, Any

from ..parts import Part
from .devices import Device
from .pool import Died, Event, Started
from .work import Work

MODULE = "process_main"
SAVING_SECONDS = 30.0
"""How long interrupted workers may take to save what they have computed."""


@dataclass(frozen=True)
class _Process:
    popen: subprocess.Popen[bytes]
    connection: Connection[Any, Any]
    errors: IO[bytes]

    def end(self) -> str:
        """End the process, and say how it ended."""
        self.connection.close()
        code = self.popen.wait()
        self.errors.seek(0)
        lines = self.errors.read().decode("utf-8", "replace").strip().splitlines()
        self.errors.close()
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return f"it ended {how}" + (f": {lines[-1]}" if lines else "")


class ProcessPool:
    """A process for each device; it ends when this process does, whatever ends it.

    Parameters
    ----------
    work : Work
    devices : sequence of Device
    """

    def __init__(self, work: Work, devices: Sequence[Device]) -> None:
        self._work, self._devices = work, devices
        self.n_seats = len(devices)
        self._processes: dict[int, _Process] = {}

    def start(self, seat: int) -> None:
        """Start a process in a seat."""
        ours, theirs = Pipe()
        errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed when the process ends)
        module = f"{__package__}.{MODULE}"
        # A session of its own: Ctrl-C reaches the driver alone, which tells its workers once.
        popen = subprocess.Popen(
            [sys.executable, "-m", module, str(theirs.fileno())],
            env={**os.environ, **self._devices[seat].environment},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            start_new_session=True,
        )
        theirs.close()
        self._processes[seat] = _Process(popen, ours, errors)

    def begin(self, seat: int, settled: Any) -> None:
        """Let a worker begin."""
        self._send(seat, ("begin", self._work, settled))

    def run(self, seat: int, part: Part) -> None:
        """Let a worker do a part."""
        self._send(seat, ("run", part))

    def events(self, seconds: float) -> list[Event]:
        """Wait for messages and deaths."""
        seats = {process.connection: seat for seat, process in self._processes.items()}
        return [self._event(seats[one]) for one in wait(list(seats), seconds)]  # type: ignore[index]

    def waiting(self) -> str:
        """Say why no worker may have started yet."""
        return "Processes take long to start: is the machine out of memory, or very busy?"

    def close(self, is_interrupted: bool) -> None:
        """End all processes; after an interrupt they save first what they have computed."""
        if is_interrupted:
            for seat in self._processes:
                self._send(seat, ("stop",))
        until = time.monotonic() + (SAVING_SECONDS if is_interrupted else 0)
        for process in self._processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.popen.wait(max(0.0, until - time.monotonic()))
            process.popen.kill()
            process.end()
        self._processes.clear()

    def _send(self, seat: int, message: tuple[Any, ...]) -> None:
        with suppress(OSError):  # it died, which `events` tells
            self._processes[seat].connection.send(message)

    def _event(self, seat: int) -> Event:
        try:
            message = self._processes[seat].connection.recv()
        except (EOFError, OSError):
            process = self._processes.pop(seat)
            process.popen.kill()
            return Died(seat, process.end())
        if message == "started":
            return Started(seat, self._devices[seat].name)
        kind, *values = message
        event: Event = kind(seat, *values)
        return event
