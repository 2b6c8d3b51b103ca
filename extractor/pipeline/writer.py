"""Writing shards in a thread of its own, so that no other stage waits for the disk."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from ...cache import FeatureBatch, FeatureStore, Run
from ...cache.errors import CacheWriteError
from .stream import FeatureBlock, FeatureStream

UNSAVED_BYTES = 8 << 20
"""Rows that a kill may cost. Few enough that they do not show in the memory of a run."""

UNSAVED_SECONDS = 60.0
ON_THEIR_WAY = 4
"""Batches that are computed but not handed over: up to three in the engine, and a finished one."""
LOGGER = logging.getLogger(__name__)


class ShardWriter:
    """Collects rows and writes them as shards when there are enough, or enough time has passed.

    A kill costs what is not written yet: the shard that is being written, the rows that wait for
    the next one, and the batches in the engines. Together they are at most ``UNSAVED_BYTES``,
    unless the batches alone are more than half of it.

    Parameters
    ----------
    store : FeatureStore
    run : Run
        Names the rows of each shard before it is written.
    stream : FeatureStream
        What the rows come from; says to which sets they belong.

    Attributes
    ----------
    n_written : list of int
        Rows that are safe, for each set.
    seconds : float
        Spent writing.
    warnings : list of str
        What went wrong without harm, for people.
    """

    def __init__(self, store: FeatureStore, run: Run, stream: FeatureStream) -> None:
        self._store, self._run, self._stream = store, run, stream
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="featx-write")
        self._writing: Future[None] | None = None
        self.n_written = [0 for _ in stream.specs]
        self.seconds = 0.0
        self.warnings: list[str] = []
        self._waiting: list[list[FeatureBatch]] = []
        self._n_bytes = self._batch_bytes = 0
        self._since = 0.0
        self._drop()

    def put(self, new: Sequence[tuple[int, FeatureBatch]]) -> None:
        """Hand over rows, each batch with the number of its set.

        Raises
        ------
        CacheWriteError
            An earlier write failed.
        """
        for set_number, batch in new:
            self._waiting[set_number].append(batch)
            self._n_bytes += batch.X.nbytes
            self._batch_bytes = max(self._batch_bytes, batch.X.nbytes)
        on_their_way = ON_THEIR_WAY * self._batch_bytes * len(self._waiting)
        is_enough = self._n_bytes >= max((UNSAVED_BYTES - on_their_way) // 2, on_their_way)
        if is_enough or time.perf_counter() - self._since > UNSAVED_SECONDS:
            self._hand_over()
        elif self._writing and self._writing.done():
            self._wait()

    def flush(self) -> None:
        """Write all rows that were handed over; they are in the cache when this returns.

        Raises
        ------
        CacheWriteError
            A write failed; all earlier shards are whole.
        """
        self._hand_over()
        self._wait()

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Write what waits when the block ends; after an exception, what is in the engines, too.

        Without an exception, the small shards of the sets are joined.

        Raises
        ------
        CacheWriteError
            A write failed; all earlier shards are whole.
        """
        try:
            yield
        except CacheWriteError:
            raise
        except BaseException:
            for block in self._stream.rest():
                self.put(block.new)
            raise
        finally:
            try:
                self.flush()
            finally:
                self._executor.shutdown()
        for spec in self._stream.specs if any(self.n_written) else ():
            self.warnings += filter(None, [self._store.join_small_shards(spec)])

    def _drop(self) -> None:
        self._waiting = [[] for _ in self._stream.specs]
        self._n_bytes = self._batch_bytes = 0
        self._since = time.perf_counter()

    def _hand_over(self) -> None:
        self._wait()
        self._writing = self._executor.submit(self._write, self._waiting)
        self._drop()

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            try:
                writing.result()
            except BaseException:
                self._drop()
                raise

    def _write(self, waiting: Sequence[Sequence[FeatureBatch]]) -> None:
        start = time.perf_counter()
        if any(map(len, waiting)):
            self._stream.scan.name_rows(self._run.name_rows)
        for set_number, batches in enumerate(waiting):
            n_rows = sum(len(batch.X) for batch in batches)
            if n_rows:
                spec = self._stream.specs[set_number]
                self._store.write_rows(spec, batches)
                LOGGER.debug("%d rows written to set %s", n_rows, spec.fingerprint[:12])
            self.n_written[set_number] += n_rows
        self.seconds += time.perf_counter() - start


def write_new_rows(
    stream: FeatureStream, writer: ShardWriter, done: Callable[[FeatureBlock], None]
) -> None:
    """Bring all rows that the cache lacks into it.

    Parameters
    ----------
    stream : FeatureStream
    writer : ShardWriter
    done : callable
        Told of each block that was handed over.

    Raises
    ------
    CacheWriteError
        The disk refused; all earlier rows are safe.
    """
    with writer.saving():
        for block in stream.new_rows():
            writer.put(block.new)
            done(block)
