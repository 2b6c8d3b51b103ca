"""Writing shards in a thread of its own, so that no other stage waits for the disk."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence

from ...cache import FeatureBatch, FeatureSpec, FeatureStore
from ..run_options import SAMPLE_BYTES, SHARD_BYTES, SHARD_SECONDS

WAITING = 4
# Batches on their way besides: up to three in the engine, and one in the hands of the thread.
UNDER_WAY = 4
END = None


class ShardWriter:
    """Collects rows and writes them as shards when there are enough, or enough time has passed.

    A shard is written early enough that it and all batches still on their way make no more than
    ``SHARD_BYTES``, or ``SAMPLE_BYTES`` for each sample of the source where that is more, so that
    this is what a kill can cost. (Where eight batches are larger than half of that, it is twice
    those eight.)

    Parameters
    ----------
    store : FeatureStore
    specs : sequence of FeatureSpec
        The sets of the run.
    save_progress : callable
        Called before each shard.
    n_samples : int
        Of the source, whose names and digests are saved then.

    Attributes
    ----------
    n_written : list of int
        Rows that are safe, for each set.
    seconds : float
        Spent writing.
    """

    def __init__(
        self,
        store: FeatureStore,
        specs: Sequence[FeatureSpec],
        save_progress: Callable[[], None],
        n_samples: int,
    ) -> None:
        self._store, self._specs, self._save_progress = store, specs, save_progress
        self._shard_bytes = max(SHARD_BYTES, n_samples * SAMPLE_BYTES) // len(specs)
        self._rows: list[list[FeatureBatch]] = [[] for _ in specs]
        self._queue: queue.Queue[tuple[int, FeatureBatch] | None] = queue.Queue(WAITING)
        self._error: BaseException | None = None
        self._last = time.perf_counter()
        self.n_written = [0 for _ in specs]
        self.seconds = 0.0
        self._thread = threading.Thread(target=self._work, name="featx-write", daemon=True)
        self._thread.start()

    def put(self, member: int, batch: FeatureBatch) -> None:
        """Hand over rows of one set.

        Raises
        ------
        CacheWriteError
            An earlier write failed.
        """
        self._raise_error()
        if len(batch):
            self._queue.put((member, batch))

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

    def _work(self) -> None:
        while True:
            try:
                told = self._queue.get(timeout=1.0)
            except queue.Empty:
                self._guarded(self._write_if_due)
                continue
            if told is END:
                self._guarded(self._write_all)
                return
            member, batch = told
            self._rows[member].append(batch)
            self._guarded(self._write_if_due)

    def _guarded(self, work: Callable[[], None]) -> None:
        """Do ``work`` until something has failed; from then on only empty the queue."""
        if self._error is not None:
            self._rows = [[] for _ in self._specs]
            return
        try:
            work()
        except BaseException as error:  # noqa: BLE001 (raised again where the rows come from)
            self._error = error

    def _write_if_due(self) -> None:
        late = time.perf_counter() - self._last >= SHARD_SECONDS
        if any(self._is_full(rows) for rows in self._rows) or (late and any(self._rows)):
            self._write_all()

    def _is_full(self, rows: list[FeatureBatch]) -> bool:
        sizes = [batch.X.nbytes for batch in rows]
        on_their_way = (WAITING + UNDER_WAY) * max(sizes, default=0)
        return bool(rows) and sum(sizes) >= max(self._shard_bytes - on_their_way, on_their_way)

    def _write_all(self) -> None:
        start = time.perf_counter()
        # First the names, then the rows: a row that no snapshot names would be garbage to `gc`.
        self._save_progress()
        for member, rows in enumerate(self._rows):
            if rows:
                self._store.write_rows(self._specs[member], rows)
                self.n_written[member] += sum(map(len, rows))
                self._rows[member] = []
        self._last = time.perf_counter()
        self.seconds += self._last - start

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error
