"""A pool of threads for products of NumPy, each of which calls single-threaded BLAS."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Protocol, Self, TypeVar

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

T = TypeVar("T")
R = TypeVar("R")


class Mapper(Protocol):
    """What applies a function to many items: `Workers`, or `CallingThread`."""

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """Apply ``function`` to every item; results keep the items' order."""


class CallingThread:
    """Does in the calling thread what `Workers` does in many.

    A pool's thread that waits for others of its pool may wait for ever: work that it does itself
    takes this in place of the pool.
    """

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """Apply ``function`` to every item."""
        return [function(item) for item in items]


class Workers:
    """A pool of threads that each call single-threaded BLAS.

    NumPy lets go of the interpreter lock inside products and ufuncs, so a thread per core that
    walks its own row blocks keeps logits, losses and gradients in its own cache; BLAS' inner
    threads would leave the losses between the products on one core. They stay off from ``with``
    to its end: woken by one small product outside the pool, they spin on the cores it works on.
    """

    def __init__(self, n_threads: int | None = None) -> None:
        self._blas = ThreadpoolController()
        self.n_threads = n_threads or max(
            (lib["num_threads"] for lib in self._blas.info() if lib["user_api"] == "blas"),
            default=1,
        )
        self._pool = ThreadPoolExecutor(self.n_threads, thread_name_prefix="featx-blas")

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """Apply ``function`` to every item; results keep the items' order."""
        return list(self._pool.map(function, items))

    def __enter__(self) -> Self:
        self._limit = self._blas.limit(limits=1, user_api="blas")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown()
        self._limit.restore_original_limits()
