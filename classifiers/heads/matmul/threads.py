"""Threads that work on shared arrays, and memory that they use again and again.

They are plain threads and not joblib's workers: all of them read one matrix, whose copies for
processes would cost more than the work, and NumPy and our C code let go of the interpreter lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class StopFlag:
    """One byte that compiled loops look at: they end early once it is set."""

    def __init__(self) -> None:
        self.byte = bytearray(1)

    def set(self) -> None:
        """Ask for an early end."""
        self.byte[0] = 1


class Spares(Generic[T]):
    """Objects that one thread uses at a time, made when all others are in use.

    Parameters
    ----------
    make : callable
        Makes one.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._unused: SimpleQueue[T] = SimpleQueue()

    @contextmanager
    def borrow(self) -> Iterator[T]:
        """Lend an object and take it back, also after an exception; nobody ever waits for one."""
        try:
            spare = self._unused.get_nowait()
        except Empty:
            spare = self._make()
        try:
            yield spare
        finally:
            self._unused.put(spare)


def run_in_threads(
    work: Callable[[T], R], items: Iterable[T], n_threads: int, stop: StopFlag | None = None
) -> Iterator[R]:
    """Apply ``work`` to each item, and yield the results in the items' order.

    The first exception in any thread is raised; it and Ctrl-C end the other threads: items that
    wait are dropped, and ``stop`` tells compiled loops that run to end.
    """
    stop = stop or StopFlag()
    failures: list[BaseException] = []

    def watched(item: T) -> R:
        try:
            if stop.byte[0]:
                raise RuntimeError("another thread failed")
            return work(item)
        except BaseException as error:
            failures.append(error)
            stop.set()
            raise

    pool = ThreadPoolExecutor(n_threads)
    try:
        yield from pool.map(watched, items)
    except BaseException as error:
        stop.set()
        # Loops that were stopped raise as well, perhaps of earlier items.
        if failures and isinstance(error, Exception):
            raise failures[0] from None
        raise
    finally:
        pool.shutdown(cancel_futures=True)
