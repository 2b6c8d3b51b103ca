"""Predicting the rows that no checkpoint holds, and saving them every few seconds."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

from ...cache.errors import FeatxError
from ...extractor.machine.hardware import n_usable_cores
from .checkpoints import Checkpoints
from .predictions import Predictor
from .row_block import RowBlock, join_blocks
from .rows_to_score import RowsToScore

MAX_THREADS = 4
# Finished rows are saved when so much time has passed, or when so many bytes wait.
SAVE_SECONDS = 2.0
SAVE_BYTES = 64 << 20


def predict_missing(source: RowsToScore, predictor: Predictor, checkpoints: Checkpoints) -> int:
    """Predict and save what is missing; returns how many rows were there already.

    Each group of rows is one thread's work; threads of the linear algebra within would only wait
    for each other on groups this small (measured: half the seconds without them).
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    n_samples = len(source.listing)
    missing, n_threads = checkpoints.missing(), min(MAX_THREADS, n_usable_cores())
    begun = [checkpoints.read_features(rows.start) for rows in missing]
    rest = [range(b.stop if b else r.start, r.stop) for r, b in zip(missing, begun, strict=True)]
    with (
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(n_threads, thread_name_prefix="featx-predict") as executor,
    ):
        unsaved = _Unsaved(source, predictor, checkpoints, executor, 2 * n_threads)
        with closing(source.blocks([r for r in rest if r], predictor.group_rows)) as blocks:
            try:
                for rows, features in zip(rest, begun, strict=True):
                    if features:
                        unsaved.add(features)
                    while unsaved.stop < rows.stop:
                        unsaved.add(next(blocks))
                        unsaved.save_if_due()
                    unsaved.save(wait=True)
            except BaseException as error:
                # The first error is the one to report, whatever becomes of saving.
                with suppress(FeatxError):
                    unsaved.save(wait=True)
                    if isinstance(error, KeyboardInterrupt):
                        n_left = sum(max(0, r.stop - max(r.start, unsaved.stop)) for r in rest)
                        raise KeyboardInterrupt(_stopped(n_samples - n_left, n_samples)) from error
                raise
    return n_samples - sum(map(len, rest))


def _stopped(n_saved: int, n_samples: int) -> str:
    """Say how far an interrupted run came."""
    return f"interrupted. {n_saved} of {n_samples} images are saved; the same command goes on."


@dataclass
class _Unsaved:
    """Rows between the source and their checkpoint.

    Attributes
    ----------
    stop : int
        Index after the last row that was added.
    group : list of RowBlock
        Features of the group in progress.
    predicting : deque of (start, Future)
        Whole groups, in order.
    tables : list of (start, Table)
        Predictions of neighbouring groups.
    """

    source: RowsToScore
    predictor: Predictor
    checkpoints: Checkpoints
    executor: ThreadPoolExecutor
    max_predicting: int
    stop: int = 0
    group: list[RowBlock] = field(default_factory=list)
    predicting: deque[tuple[int, Future[Any]]] = field(default_factory=deque)
    tables: list[tuple[int, Any]] = field(default_factory=list)
    saved_at: float = field(default_factory=time.monotonic)

    def add(self, block: RowBlock) -> None:
        """Take the next rows; whole groups are predicted by a thread."""
        self.stop, n_rows = block.stop, len(self.source.listing)
        border = block.stop
        if block.stop < n_rows:
            border -= block.stop % self.predictor.group_rows
        if border <= block.start:
            self.group.append(block)
            return
        whole = join_blocks([*self.group, block.rows(block.start, border)])
        self.group = [block.rows(border, block.stop)] if border < block.stop else []
        self.predicting.append((whole.start, self.executor.submit(self.predictor.table, whole)))
        self._collect(self.max_predicting)

    def save_if_due(self) -> None:
        """Save what is finished where enough time has passed, or enough bytes wait."""
        n_bytes = sum(table.nbytes for _, table in self.tables)
        if time.monotonic() - self.saved_at >= SAVE_SECONDS or n_bytes >= SAVE_BYTES:
            self.save()

    def save(self, wait: bool = False) -> None:
        """Save predictions of whole groups, and features of the group in progress."""
        try:
            self._collect(0 if wait else len(self.predicting))
        finally:
            self._write()

    def _write(self) -> None:
        if self.tables:
            self.source.flush()
            self.checkpoints.write_rows(self.tables)
            self.tables = []
        if self.group and not self.predicting and not self.source.is_cached:
            self.group = [join_blocks(self.group)]
            self.checkpoints.write_features(self.group[0])
        self.saved_at = time.monotonic()

    def _collect(self, n_left: int) -> None:
        """Take the results that are ready, and wait until at most ``n_left`` are predicted."""
        while self.predicting and (len(self.predicting) > n_left or self.predicting[0][1].done()):
            start, future = self.predicting[0]
            # A group that fails stays first: nothing after it is saved as if it followed.
            self.tables.append((start, future.result()))
            self.predicting.popleft()
