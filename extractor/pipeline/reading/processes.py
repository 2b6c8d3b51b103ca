"""Decoding in processes of their own, for engines that are faster than the threads of one process.

Threads of one process take turns at Python's lock: on 16 cores they decode hardly more images a
second than on 4.
"""

from __future__ import annotations

import mmap
import os
import pickle
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from joblib.externals.loky import ProcessPoolExecutor

from ...images.geometry import Geometry
from ...sources import Source
from .child import DecodingWork, SlotMemory, begin, fetch_into
from .fetch import Fetched
from .reader import Item, Reader, read_ahead

SHARED_MEMORY = Path("/dev/shm")
HANDFUL = 8
AHEAD = 4
"""Handfuls for each process: decoded, at work, or waiting."""

MAX_SOURCE_BYTES = 128 << 20
"""Of a pickled source: each process has a copy."""

IDLE_SECONDS = 3600
BROKEN = (
    "Warning: a decoding process ended (is the machine out of memory?). Decoding goes on in the "
    "threads of this process"
)
Handful = list[int]


class DecodingProcesses:
    """Processes that fetch images into memory that they share; use it as a context manager.

    Nothing of it outlives this process, whatever ends that.

    Parameters
    ----------
    source : bytes
        Pickled.
    geometries : tuple of Geometry
        Each once.
    n_processes : int
    max_pixels : int or None
        Pixels that one image may have.

    Raises
    ------
    OSError
        The machine has no memory for processes to share, or too little.
    """

    def __init__(
        self,
        source: bytes,
        geometries: tuple[Geometry, ...],
        n_processes: int,
        max_pixels: int | None,
    ) -> None:
        self._n_processes = n_processes
        self._file = _shared_file(self.n_slots * SlotMemory.slot_bytes(geometries))
        self.memory = SlotMemory(mmap.mmap(self._file.fileno(), 0), geometries)
        place = f"/proc/{os.getpid()}/fd/{self._file.fileno()}"
        work = DecodingWork(source, geometries, place, max_pixels, os.getpid())
        self._executor = ProcessPoolExecutor(
            n_processes, timeout=IDLE_SECONDS, initializer=begin, initargs=(work,)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._executor.shutdown(kill_workers=True)
        self._file.close()

    @property
    def n_slots(self) -> int:
        """Images that may be decoded ahead."""
        return HANDFUL * AHEAD * self._n_processes

    def submit(self, handful: Handful, first_slot: int) -> Future[list[Fetched]]:
        """Let a process fetch images into the slots from ``first_slot`` on."""
        future: Future[list[Fetched]] = self._executor.submit(fetch_into, handful, first_slot)
        return future

    def take(self, future: Future[list[Fetched]], first_slot: int) -> list[Fetched]:
        """Wait for images; return them with copies of their pixels: the slots are free then."""
        fetched = enumerate(future.result(), first_slot)
        return [one if one.reason else self._with_pixels(one, slot) for slot, one in fetched]

    def _with_pixels(self, fetched: Fetched, slot: int) -> Fetched:
        images = self.memory.images(slot)
        return replace(fetched, images={g: image.copy() for g, image in images.items()})


def open_processes(
    source: Source,
    geometries: tuple[Geometry, ...],
    n_processes: int,
    max_pixels: int | None,
) -> DecodingProcesses | None:
    """Return decoding processes, or None for a source or a machine that does not allow it."""
    if n_processes < 2:
        return None
    try:
        pickled = pickle.dumps(source, pickle.HIGHEST_PROTOCOL)
    except (TypeError, AttributeError, pickle.PicklingError):  # it holds what is of this process
        return None
    if len(pickled) > MAX_SOURCE_BYTES:
        return None
    try:
        return DecodingProcesses(pickled, geometries, n_processes, max_pixels)
    except OSError:
        return None


def read_by_processes(
    reader: Reader,
    indices: Iterable[int],
    processes: DecodingProcesses,
    n_threads: int,
    say: Callable[[str], object],
) -> Iterator[Item]:
    """Yield ``reader``'s items for all ``indices``, in order; threads go on where a process ends.

    Close the iterator to end the processes.
    """
    waiting: deque[tuple[Handful, int]] = deque()
    futures: deque[Future[list[Fetched]]] = deque()
    todo = iter(indices)
    handfuls = iter(lambda: [int(index) for index in islice(todo, HANDFUL)], [])
    free = deque(range(0, processes.n_slots, HANDFUL))
    # One thread copies, in order, without Python's lock: the caller has no time for it.
    with processes, ThreadPoolExecutor(1, thread_name_prefix="featx-copy") as copier:
        try:
            while True:
                for handful in islice(handfuls, len(free)):
                    waiting.append((handful, free.popleft()))
                    begun = processes.submit(*waiting[-1])
                    futures.append(copier.submit(processes.take, begun, waiting[-1][1]))
                if not waiting:
                    return
                fetched = futures.popleft().result()
                free.append(waiting.popleft()[1])
                yield from [reader.take(one) for one in fetched]
        except BrokenExecutor:
            say(BROKEN)
    left = chain(chain.from_iterable(handful for handful, _ in waiting), todo)
    yield from read_ahead(reader, left, n_threads)


def _shared_file(n_bytes: int) -> IO[bytes]:
    """Return a file without a name in the memory that processes share, with its bytes reserved."""
    file = tempfile.TemporaryFile(dir=SHARED_MEMORY)  # noqa: SIM115 (closed with the processes)
    try:
        os.posix_fallocate(file.fileno(), 0, n_bytes)
    except OSError:
        file.close()
        raise
    return file
