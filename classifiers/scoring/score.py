"""Scoring: a model over a source of images or cached features, one row per input."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np

from ...cache.errors import SourceFormatError, TooManyBadImagesError
from ...cache.format.facts import Shown, shortened
from ...cache.manifest import DIGEST_BYTES
from ...extractor.run_options import BadLimit
from ...extractor.views.views import ITSELF, Views
from ..models.model import Model
from ..models.model_file import model_digest
from .checkpoints import CheckpointKey, Checkpoints
from .engine_drift import EngineDrift
from .outputs.earlier_rows import EarlierRows
from .outputs.provenance import MoreColumns, Provenance
from .outputs.target import Target
from .outputs.work_folder import WorkFolder
from .outputs.write import columns_of, write_tables
from .predict_missing import predict_missing
from .predictions import PredictionOptions, Predictor
from .rows_to_score import RowsToScore
from .summary import Summary


@dataclass(frozen=True, repr=False)
class ScoreReport(Shown):
    """What a scoring run did.

    Attributes
    ----------
    n_samples, n_ok, n_unsure, n_errors : int
        Rows written; of these, predicted, held back by ``abstain_below``, and unreadable.
    n_cached, n_resumed : int
        Images whose features, with those of all views, were in the cache; rows that an interrupted
        run had finished.
    n_earlier : int
        Samples left out, since part files of earlier runs hold their predictions.
    by_class : dict of str to int
        How often each class was predicted, most frequent first.
    agreement : float or None
        Share of the compared rows whose prediction is the source's own label. It is no accuracy:
        the model may have been trained on these rows.
    held_out_agreement : float or None
        The same of the ``n_held_out`` rows that the model was neither trained on nor chosen by;
        None where there are none, or where the model file does not say which these are.
    n_trained_on : int
        Compared rows that the model was trained on.
    n_compared : int
        Rows with a prediction whose label in the source is a class of the model.
    unknown_labels : dict of str to int
        Labels of the source that are no class of the model, and how many rows have them.
    first_errors : tuple of (id, reason)
        The first few images that could not be read.
    seconds : float
    n_unlike : int or None
        Images that are unlike the training images, with ``unlike_rate``.
    engine_drift : EngineDrift or None
        How far this machine's features are off, where another engine made the training features.
    n_views : int
        Of each image, whose mean the probabilities are; 1 is the image itself.
    """

    out: Path
    n_samples: int
    n_ok: int
    n_unsure: int
    n_errors: int
    n_cached: int
    n_resumed: int
    by_class: dict[str, int]
    agreement: float | None
    n_compared: int
    unknown_labels: dict[str, int]
    first_errors: tuple[tuple[str, str], ...]
    seconds: float
    n_earlier: int = 0
    engine_drift: EngineDrift | None = None
    held_out_agreement: float | None = None
    n_held_out: int = 0
    n_trained_on: int = 0
    n_unlike: int | None = None
    n_views: int = 1

    def _title(self) -> str:
        return f"ScoreReport of {self.out}"

    def _facts(self) -> dict[str, str]:
        facts = {
            "rows": f"{self.n_samples:,}: {self.n_ok:,} ok, {self.n_unsure:,} unsure, "
            f"{self.n_errors:,} errors",
            "seconds": f"{self.seconds:.1f}",
        }
        if self.by_class:
            counts = [f"{name} {n:,}" for name, n in self.by_class.items()]
            facts["predicted"] = shortened(tuple(counts))
        return facts


@dataclass(frozen=True)
class ScoreJob:
    """A model, what it is to score, and where the predictions go.

    Attributes
    ----------
    model : Model
    source : RowsToScore
    target : Target
    options : PredictionOptions
    max_bad : BadLimit or None
        None lets any number of images fail.
    columns : sequence of str
        Keys of ``provenance.COLUMNS``.
    provenance : Provenance
    earlier : EarlierRows
        What the target holds already, where it appends.
    is_part : bool
        Other runs score the other images.
    views : Views
        Over which the probabilities are the mean; ``source`` gives the features of all of them,
        side by side.
    """

    model: Model
    source: RowsToScore
    target: Target
    options: PredictionOptions = field(default_factory=PredictionOptions)
    max_bad: BadLimit | None = None
    columns: Sequence[str] = ()
    provenance: Provenance = field(default_factory=Provenance)
    earlier: EarlierRows = field(default_factory=EarlierRows)
    is_part: bool = False
    views: Views = ITSELF


def score(job: ScoreJob) -> ScoreReport:
    """Predict every sample and write one row each, in the source's order.

    Finished rows are saved every few seconds: killed at any moment, the same call goes on from
    there, and the result equals that of a run that was left alone. The result has its name only
    when it is whole.

    Raises
    ------
    ConfigError
        The options do not suit the model.
    CacheWriteError
        The file system refused; finished rows are safe.
    TooManyBadImagesError
        More images failed than ``max_bad`` allows; the result is written.
    SourceFormatError
        Not one image can be read; the result is written.
    """
    start = time.perf_counter()
    source = job.source
    n_views = job.views.n
    predictor = Predictor(job.model, job.options, source.listing.sample_ids, n_views)
    digests = source.marks if source.marks.shape[1:] == (DIGEST_BYTES,) else None
    summary = Summary(source.listing, job.model.class_names, job.model.rows, digests)
    more = MoreColumns(job.columns, source.listing, job.provenance, job.model.rows, digests)
    empty = predictor.empty_table()
    job.earlier.check_columns(columns_of(next(more.add_to([empty])), job.target), job.target)
    work = WorkFolder(job.target.path)
    with work.hold():
        checkpoints = Checkpoints(work.path, _key(job, predictor), source.keeps_features)
        n_resumed = predict_missing(source, predictor, checkpoints)
        tables = more.add_to(summary.count(chain([empty], checkpoints.tables())))
        tables = job.earlier.without_old_errors(tables)
        write_tables(job.target, work, tables, job.provenance.to_metadata())
        if summary.digests:
            source.commit(np.concatenate(summary.digests), summary.bad)
    report = replace(
        report_of(summary, job.target, time.perf_counter() - start),
        n_cached=source.n_cached,
        n_resumed=n_resumed,
        n_earlier=len(job.earlier.predicted),
        n_views=n_views,
    )
    if (
        report.n_errors
        and report.n_errors == report.n_samples
        and not report.n_earlier
        and not job.is_part
    ):
        name, reason = report.first_errors[0]
        raise SourceFormatError(
            f"not one of the {report.n_errors} images in {source.location} can be read. The first "
            f"is {name}: {reason}. All reasons: {report.out}"
        )
    if job.max_bad:
        try:
            job.max_bad.check(report.n_errors, report.n_samples, str(report.out))
        except TooManyBadImagesError as error:
            error.report = report
            raise
    return report


def report_of(summary: Summary, target: Target, seconds: float) -> ScoreReport:
    """Return what a summary says of a result."""
    return ScoreReport(
        out=target.path,
        n_samples=summary.n_samples,
        n_ok=summary.by_status["ok"],
        n_unsure=summary.by_status["unsure"],
        n_errors=summary.by_status["error"],
        n_cached=0,
        n_resumed=0,
        by_class=dict(summary.by_class.most_common()),
        agreement=summary.agreement,
        n_compared=summary.n_compared,
        unknown_labels=dict(summary.unknown_labels.most_common()),
        first_errors=summary.first_errors(),
        seconds=seconds,
        held_out_agreement=summary.held_out_agreement,
        n_held_out=summary.n_held_out,
        n_trained_on=summary.n_trained_on,
        n_unlike=summary.n_unlike,
    )


def _key(job: ScoreJob, predictor: Predictor) -> CheckpointKey:
    settings = {
        "model": model_digest(job.model),
        "group_rows": predictor.group_rows,
        **job.options.to_dict(),
        **({"views": job.views.to_dict()} if job.views.n > 1 else {}),
    }
    return CheckpointKey(settings, job.source.listing.sample_ids, job.source.marks)
