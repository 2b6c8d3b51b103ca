"""Scoring: a model over a source of images or cached features, one row per input."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...extractor.hardware import n_usable_cores
from ...extractor.run_options import BadLimit
from ..models.model import Model
from ..models.model_file import model_digest
from .checkpoints import PartFolder, PartKey, work_folder
from .engine_drift import EngineDrift
from .output_formats import Target, write_tables
from .predictions import PredictionOptions, Predictor, RowBlock
from .rows_to_score import RowsToScore
from .summary import Tally

MAX_SAVING = 4


@dataclass(frozen=True)
class ScoreReport:
    """What a scoring run did.

    Attributes
    ----------
    n_samples, n_ok, n_unsure, n_errors : int
        Rows written; of these, predicted, held back by ``abstain_below``, and unreadable.
    n_cached, n_resumed : int
        Features found in the cache; rows that an interrupted run had predicted already.
    by_class : dict of str to int
        How often each class was predicted, most frequent first.
    accuracy : float or None
        On the predicted samples whose label in the source is a class of the model, if any.
    first_errors : tuple of (id, reason)
        The first few images that could not be read.
    seconds : float
    crossing : EngineDrift or None
        How far this machine's features are off, where another engine made the training features.
    """

    out: Path
    n_samples: int
    n_ok: int
    n_unsure: int
    n_errors: int
    n_cached: int
    n_resumed: int
    by_class: dict[str, int]
    accuracy: float | None
    first_errors: tuple[tuple[str, str], ...]
    seconds: float
    crossing: EngineDrift | None = None


@dataclass(frozen=True)
class ScoreJob:
    """A model, what it is to score, and where the predictions go.

    Attributes
    ----------
    model : Model
    rows : RowsToScore
    target : Target
    options : PredictionOptions
    max_bad : BadLimit or None
        None lets any number of images fail.
    """

    model: Model
    rows: RowsToScore
    target: Target
    options: PredictionOptions = field(default_factory=PredictionOptions)
    max_bad: BadLimit | None = None

    def parts(self) -> PartFolder:
        """Return the parts of this job, finished or not."""
        rows = self.rows
        job = {"model": model_digest(self.model), **self.options.to_dict()}
        key = PartKey(job, rows.listing.sample_ids, rows.marks, rows.part_rows)
        return PartFolder(self.target.work_folder, key)


def score(job: ScoreJob) -> ScoreReport:
    """Predict every sample and write one row each, in the source's order.

    Predictions are saved in parts as the run goes on: killed at any moment, the same call goes on
    from there, and the result equals that of a run that was left alone. The result has its name
    only when it is whole.

    Raises
    ------
    ConfigError
        The options do not suit the model.
    CacheWriteError
        The file system refused; finished parts are safe.
    TooManyBadImagesError
        More images failed than ``max_bad`` allows; the result is written.
    """
    start = time.perf_counter()
    predictor = Predictor(job.model, job.options)
    tally = Tally(job.rows.listing)
    with work_folder(job.target.work_folder):
        parts = job.parts()
        missing = parts.missing()
        _predict(job.rows, predictor, parts, missing)
        finish = _Finish()
        write_tables(job.target, tally.watch(finish.strip(parts.tables())))
        job.rows.commit(finish.digests, finish.bad)
    n_errors = tally.n_by_status["error"]
    if job.max_bad:
        job.max_bad.check(n_errors, tally.n_samples, str(job.target.path))
    return ScoreReport(
        out=job.target.path,
        n_samples=tally.n_samples,
        n_ok=tally.n_by_status["ok"],
        n_unsure=tally.n_by_status["unsure"],
        n_errors=n_errors,
        n_cached=job.rows.n_cached,
        n_resumed=tally.n_samples - sum(map(len, missing)),
        by_class=dict(tally.n_by_class.most_common()),
        accuracy=tally.accuracy,
        first_errors=tuple(tally.first_errors),
        seconds=time.perf_counter() - start,
    )


def _predict(
    source: RowsToScore, predictor: Predictor, parts: PartFolder, missing: list[range]
) -> None:
    """Predict and save the missing parts while further ones are being computed.

    Each part is one thread's work; threads of the linear algebra within would only wait for each
    other on blocks this small (measured: half the seconds without them).
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    def save(rows: range, block: RowBlock) -> None:
        parts.write(rows, predictor.table(block))

    saving: deque[Future[None]] = deque()
    n_threads = min(MAX_SAVING, n_usable_cores())
    with (
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(n_threads, thread_name_prefix="featx-save") as executor,
        closing(source.blocks(missing)) as blocks,
    ):
        for rows, block in blocks:
            saving.append(executor.submit(save, rows, block))
            while len(saving) > n_threads:
                saving.popleft().result()
        for future in saving:
            future.result()


class _Finish:
    """Takes the digests off the finished parts, and notes what failed."""

    def __init__(self) -> None:
        self.bad: list[tuple[int, str]] = []
        self._digests: list[NDArray[np.uint8]] = []
        self._n_rows = 0

    @property
    def digests(self) -> NDArray[np.uint8] | None:
        """Digests of all images ``(n, 32)``, or None where they were not kept."""
        return np.concatenate(self._digests) if self._digests else None

    def strip(self, tables: Iterable[Any]) -> Iterator[Any]:
        """Pass ``tables`` on without their column of digests."""
        for table in tables:
            if "digest" in table.column_names:
                self._note(table)
                table = table.drop_columns(["digest"])
            self._n_rows += len(table)
            yield table

    def _note(self, table: Any) -> None:
        import pyarrow.compute as pc

        joined = b"".join(table.column("digest").to_pylist())
        self._digests.append(np.frombuffer(joined, np.uint8).reshape(-1, 32))
        is_bad = pc.equal(table.column("status").cast("string"), "error").to_numpy()
        reasons = table.column("reason").filter(is_bad).to_pylist()
        places = (np.flatnonzero(is_bad) + self._n_rows).tolist()
        self.bad.extend(zip(places, reasons, strict=True))
