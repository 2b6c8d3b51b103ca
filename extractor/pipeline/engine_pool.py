"""Keeping an engine busy: several batches in flight, results in order, smaller if need be."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..engines.base import Engine, is_out_of_memory, run_rows

T = TypeVar("T")


@dataclass(frozen=True)
class _Job(Generic[T]):
    token: T
    engine: Engine
    images: NDArray[np.uint8]
    future: Future[tuple[NDArray[Any], ...]]


class EnginePool(Generic[T]):
    """Runs batches through an engine while the next ones are assembled.

    Parameters
    ----------
    build : callable
        Builds the engine for a batch size; called when the first batch comes, and again with half
        the size where memory does not suffice.
    batch_size : int

    Attributes
    ----------
    engine : Engine or None
    busy_seconds : float
        Seconds spent inside the engine, summed over parallel calls.
    halved : int
        How often the batch size was halved.
    """

    def __init__(self, build: Callable[[int], Engine], batch_size: int) -> None:
        self._build = build
        self.batch_size = batch_size
        self.engine: Engine | None = None
        self.busy_seconds = 0.0
        self.halved = 0
        self._jobs: deque[_Job[T]] = deque()
        self._executor: ThreadPoolExecutor | None = None

    def start(self) -> Engine:
        """Return the engine; build it where that has not happened."""
        while self.engine is None:
            try:
                self.engine = self._build(self.batch_size)
            except Exception as error:  # noqa: BLE001 (raised again unless memory is short)
                self._halve(error)
        if self._executor is None:
            n_threads = self.engine.n_parallel
            self._executor = ThreadPoolExecutor(n_threads, thread_name_prefix="featx-infer")
        return self.engine

    def put(
        self, token: T, images: NDArray[np.uint8]
    ) -> Iterator[tuple[T, tuple[NDArray[Any], ...]]]:
        """Hand over a batch, and yield what is done where enough is in flight.

        Parameters
        ----------
        token : object
            Comes back with the results.
        images : ndarray of uint8, shape (n, height, width, 3)
            Must stay as it is until its results have come.
        """
        engine = self.start()
        if self._executor is None:
            raise RuntimeError("the pool is closed")
        future = self._executor.submit(self._run, engine, images)
        self._jobs.append(_Job(token, engine, images, future))
        while len(self._jobs) > engine.n_parallel:
            yield self._take()

    def drain(self) -> Iterator[tuple[T, tuple[NDArray[Any], ...]]]:
        """Yield all that is still in flight, in order."""
        while self._jobs:
            yield self._take()

    def close(self) -> None:
        """Wait for what is in flight and end the threads."""
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
            self._executor = None
        self._jobs.clear()

    def _take(self) -> tuple[T, tuple[NDArray[Any], ...]]:
        job = self._jobs[0]
        try:
            outputs = job.future.result()
        except Exception as error:  # noqa: BLE001 (as above)
            outputs = self._again(job.engine, job.images, error)
        self._jobs.popleft()
        return job.token, outputs

    def _again(
        self, failed: Engine, images: NDArray[np.uint8], error: Exception
    ) -> tuple[NDArray[Any], ...]:
        """Run a batch that did not fit into memory with a smaller engine."""
        while True:
            if failed.batch_size <= self.batch_size:
                self._halve(error)
                self.engine = None
            elif not is_out_of_memory(error):
                raise error
            failed = self.start()
            try:
                return self._run(failed, images)
            except Exception as again:  # noqa: BLE001 (as above)
                error = again

    def _halve(self, error: Exception) -> None:
        if not is_out_of_memory(error) or self.batch_size == 1:
            raise error
        self.batch_size //= 2
        self.halved += 1

    def _run(self, engine: Engine, images: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
        start = time.perf_counter()
        outputs = run_rows(engine, images)
        self.busy_seconds += time.perf_counter() - start
        return outputs
