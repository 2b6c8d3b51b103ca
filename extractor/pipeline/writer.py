"""Writing shards in a thread of its own, so that no other stage waits for the disk."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ...cache import FeatureBatch, FeatureStore, Run
from ...cache.errors import CacheWriteError
from .stream import FeatureBlock, FeatureStream

SHARD_BYTES = 4 << 20
"""Small enough that the rows that wait do not show in the memory of a run."""

SHARD_SECONDS = 120.0
WAITING = 4
UNDER_WAY = 4
"""Batches on their way besides: up to three in the engine, and one in the hands of the thread."""

END = None
Told = Sequence[tuple[int, FeatureBatch]] | threading.Event | None
"""New rows; an event to be set when all rows before it are written; or the end."""


class ShardWriter:
    """Collects rows and writes them as shards when there are enough, or enough time has passed.

    A kill costs the rows that are not written yet. A shard is written once these come to
    ``SHARD_BYTES``, those of batches still on their way included; where such batches alone are more
    than half of that, at twice their bytes.

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
    """

    def __init__(self, store: FeatureStore, run: Run, stream: FeatureStream) -> None:
        self._store, self._run, self._stream = store, run, stream
        specs = stream.specs
        self._shard_bytes = SHARD_BYTES // len(specs)
        self._rows: list[list[FeatureBatch]] = [[] for _ in specs]
        self._queue: queue.Queue[Told] = queue.Queue(WAITING)
        self._error: BaseException | None = None
        self._last = time.perf_counter()
        self.n_written = [0 for _ in specs]
        self.seconds = 0.0
        self._thread = threading.Thread(target=self._work, name="featx-write", daemon=True)
        self._thread.start()

    def put(self, new: Sequence[tuple[int, FeatureBatch]]) -> None:
        """Hand over rows, each batch with the number of its set.

        Raises
        ------
        CacheWriteError
            An earlier write failed.
        """
        self._raise_error()
        self._queue.put(new)

    def flush(self) -> None:
        """Write all rows that were handed over; they are in the cache when this returns.

        Raises
        ------
        CacheWriteError
            A write failed; all earlier shards are whole.
        """
        done = threading.Event()
        self._queue.put(done)
        done.wait()
        self._raise_error()

    def close(self) -> None:
        """Write all that waits and end the thread.

        Raises
        ------
        CacheWriteError
            A write failed; all earlier shards are whole.
        """
        if self._thread.is_alive():
            self._queue.put(END)
            self._thread.join()
        self._raise_error()

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Close the writer at the end; what engines are at when the block is cut short is kept."""
        try:
            yield
        except CacheWriteError:
            raise
        except BaseException:
            for block in self._stream.rest():
                self.put(block.new)
            raise
        finally:
            self.close()

    def _work(self) -> None:
        while True:
            try:
                told = self._queue.get(timeout=1.0)
            except queue.Empty:
                self._guarded(self._write_if_due)
                continue
            if isinstance(told, threading.Event):
                self._guarded(self._write_all)
                told.set()
            elif told is END:
                self._guarded(self._write_all)
                return
            else:
                for set_number, batch in told:
                    self._rows[set_number].append(batch)
                self._guarded(self._write_if_due)

    def _guarded(self, work: Callable[[], None]) -> None:
        """Do ``work`` until something has failed; from then on only empty the queue."""
        if self._error is not None:
            self._rows = [[] for _ in self._stream.specs]
            return
        try:
            work()
        except BaseException as error:  # noqa: BLE001 (raised again where the rows come from)
            self._error = error

    def _write_if_due(self) -> None:
        late = time.perf_counter() - self._last >= SHARD_SECONDS
        if any(map(self._is_full, self._rows)) or (late and any(self._rows)):
            self._write_all()

    def _is_full(self, batches: list[FeatureBatch]) -> bool:
        sizes = [batch.X.nbytes for batch in batches]
        on_their_way = (WAITING + UNDER_WAY) * max(sizes, default=0)
        return bool(batches) and sum(sizes) >= max(self._shard_bytes - on_their_way, on_their_way)

    def _write_all(self) -> None:
        start = time.perf_counter()
        if any(map(len, self._rows)):
            self._stream.scan.name_rows(self._run.name_rows)
        for set_number, batches in enumerate(self._rows):
            n_rows = sum(map(len, batches))
            if n_rows:
                self._store.write_rows(self._stream.specs[set_number], batches)
            self.n_written[set_number] += n_rows
            self._rows[set_number] = []
        self._last = time.perf_counter()
        self.seconds += self._last - start

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error


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
