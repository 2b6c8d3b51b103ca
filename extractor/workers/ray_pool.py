"""Workers as actors of Ray. Requests and counts travel through it, images and features do not."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...cache.errors import ConfigError
from ..machine.hardware import CORES, VISIBLE
from ..parts import Part
from .pool import Answered, Died, Event, Heard, Started
from .ray_session import RaySession
from .work import Answer, Work, Worker
from .worker_options import WorkerOptions

SAVING_SECONDS = 30.0
HEAR_SECONDS = 1.0
N_THREADS = 3
"""Of an actor: one works, one answers what was heard, one takes word to stop."""

SHOWN_REASON = 300
DEAD = "The actor is dead because"
PASSED_ON = (
    *("FEATX_HOME", "FEATX_COPIES", "FEATX_COPIES_SIZE", "FEATX_URL_ATTEMPTS"),
    *("KERAS_BACKEND", "XLA_FLAGS", "TF_CPP_MIN_LOG_LEVEL"),
    *("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"),
)
"""Variables of the driver that actors take over; each machine has its own credentials."""


@dataclass(frozen=True)
class Surroundings:
    """What an actor takes over from the process that drives it.

    Attributes
    ----------
    folder : str
        Relative paths begin here.
    version : str
        Of featx.
    environment : dict of str to str
    """

    folder: str
    version: str
    environment: dict[str, str]

    @classmethod
    def here(cls) -> Surroundings:
        """Return those of this process."""
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        return cls(str(Path.cwd()), version("featx"), environment)


class Actor:
    """A worker as an actor of Ray."""

    def __init__(self) -> None:
        self._worker = Worker()

    def start(self, surroundings: Surroundings, environment: dict[str, str]) -> tuple[str, str]:
        """Take over the driver's folder and variables; return featx' version and the host."""
        import socket

        os.environ.update(surroundings.environment)
        os.environ.update(environment)
        os.chdir(surroundings.folder)
        return version("featx"), f"{socket.gethostname()} (process {os.getpid()})"

    def begin(self, work: Work, settled: Any) -> Answer:
        """See ``Worker``."""
        return self._worker.begin(work, settled)

    def run(self, part: Part) -> Answer:
        """See ``Worker``."""
        return self._worker.run(part)

    def heard(self) -> tuple[int, list[str]]:
        """Return the images and texts since the last call."""
        return self._worker.relay.take()

    def stop(self) -> None:
        """End the part at its next batch."""
        self._worker.relay.stop()


@dataclass
class _Seat:
    """An actor, and what it was asked."""

    actor: Any
    request: Any
    is_starting: bool = True
    heard: Any = None
    heard_at: float = 0.0


class RayPool:
    """Actors of a Ray; one that dies is not restarted by Ray, but by the driver.

    Parameters
    ----------
    work : Work
    options : WorkerOptions

    Raises
    ------
    MissingLibraryError, ConfigError
        There is no Ray.
    """

    def __init__(self, work: Work, options: WorkerOptions) -> None:
        self._work = work
        self._session = RaySession(options.ray or "")
        self._ray, self._layout = self._session.ray, self._session.layout(options)
        self.n_seats = self._layout.n_actors
        self._seats: dict[int, _Seat] = {}
        self._surroundings = Surroundings.here()
        limit = {} if self._layout.n_gpus else {VISIBLE: "-1"}
        self._environment = {CORES: str(max(1, int(self._layout.n_cpus))), **limit}
        self._class = self._ray.remote(
            num_cpus=self._layout.n_cpus,
            num_gpus=self._layout.n_gpus,
            max_concurrency=N_THREADS,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        )(Actor)

    def start(self, seat: int) -> None:
        """Start an actor in a seat, as soon as the cluster has room for it."""
        actor = self._class.remote()
        request = actor.start.remote(self._surroundings, self._environment)
        self._seats[seat] = _Seat(actor, request)

    def begin(self, seat: int, settled: Any) -> None:
        """Let a worker begin."""
        one = self._seats[seat]
        one.request = one.actor.begin.remote(self._work, settled)

    def run(self, seat: int, part: Part) -> None:
        """Let a worker do a part."""
        one = self._seats[seat]
        one.request = one.actor.run.remote(part)

    def events(self, seconds: float) -> list[Event]:
        """Wait for answers and deaths, and ask busy workers how far they are."""
        seats = {one.request: seat for seat, one in self._seats.items() if one.request}
        if not seats:
            time.sleep(seconds)
            return []
        ready, _ = self._ray.wait(list(seats), num_returns=1, timeout=seconds)
        news = [event for ref in ready for event in self._news(seats[ref])]
        return [*self._heard(), *news]

    def waiting(self) -> str:
        """Say what each actor asks for, and what is free."""
        free, asked = self._ray.available_resources(), self._layout
        gpus = f" and {asked.n_gpus:g} GPUs" if asked.n_gpus else ""
        return (
            f"Each of {self.n_seats} actors asks for {asked.n_cpus:g} cores{gpus}; the cluster has "
            f"{free.get('CPU', 0):g} cores and {free.get('GPU', 0):g} GPUs free. Wait for other "
            "jobs, or change --actors or --gpus-per-actor"
        )

    def close(self, is_interrupted: bool) -> None:
        """End all actors; after an interrupt they save first what they have computed."""
        if is_interrupted:
            for one in self._seats.values():
                one.actor.stop.remote()
            busy = [one.request for one in self._seats.values() if one.request]
            if busy:
                self._ray.wait(busy, num_returns=len(busy), timeout=SAVING_SECONDS)
        for one in self._seats.values():
            with suppress(Exception):  # it is gone already
                self._ray.kill(one.actor)
        self._session.close()

    def _news(self, seat: int) -> list[Event]:
        one = self._seats[seat]
        try:
            value = self._ray.get(one.request)
        except self._ray.exceptions.RayError as error:
            del self._seats[seat]
            with suppress(Exception):  # it is gone already
                self._ray.kill(one.actor)
            return [Died(seat, _reason(error))]
        one.request = None
        if one.is_starting:
            one.is_starting = False
            return [Started(seat, self._checked(*value))]
        return [*self._hear(seat, wait=True), Answered(seat, value)]

    def _checked(self, their_version: str, where: str) -> str:
        """Return where a worker is; raises ConfigError where its featx is another one."""
        ours = self._surroundings.version
        if their_version != ours:
            raise ConfigError(
                f"featx is {their_version} on {where}, and {ours} here; the features could differ. "
                f"Install the same there: pip install featx=={ours}"
            )
        return where

    def _heard(self) -> list[Event]:
        return [event for seat in self._seats for event in self._hear(seat, wait=False)]

    def _hear(self, seat: int, wait: bool) -> list[Event]:
        """Return what a worker has said since it was asked last; a dead one says nothing."""
        one, now = self._seats[seat], time.monotonic()
        if one.is_starting or (not wait and now - one.heard_at < HEAR_SECONDS):
            return []
        events: list[Event] = []
        with suppress(self._ray.exceptions.RayError):
            if one.heard is not None and (wait or self._ray.wait([one.heard], timeout=0)[0]):
                events.append(Heard(seat, *self._ray.get(one.heard)))
                one.heard = None
            if wait:
                events.append(Heard(seat, *self._ray.get(one.actor.heard.remote())))
            elif one.heard is None and one.request:
                one.heard, one.heard_at = one.actor.heard.remote(), now
        return [event for event in events if event.n_images or event.texts]  # type: ignore[attr-defined]


def _reason(error: Exception) -> str:
    """Return in one sentence why an actor is gone."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "Error: " in line or line.startswith(DEAD)]
    reason = (telling or lines or [type(error).__name__])[-1]
    return reason.partition(". ")[0] if reason.startswith(DEAD) else reason[:SHOWN_REASON]
