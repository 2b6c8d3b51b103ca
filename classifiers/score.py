"""Scoring: a model over a source of images, one row per input."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..cache import FeatureStore, StringColumn
from ..extractor.features import FeatureChunk, iter_features
from ..extractor.options import Observer, RunOptions
from ..extractor.plan import Plan
from ..extractor.sources import Source
from .model import Model
from .predictions import Rows, check_ending, open_writer

SHOWN_ERRORS = 5


@dataclass(frozen=True)
class ScoreReport:
    """What a scoring run did.

    Attributes
    ----------
    n_samples, n_errors, n_cached : int
        Rows written; of these, images that could not be read; features found in the cache.
    by_class : dict of str to int
        How often each class was predicted, most frequent first.
    accuracy : float or None
        On the samples whose label in the source is one of the model's classes, if there are any.
    first_errors : tuple of (id, reason)
        The first few images that could not be read.
    seconds : float
    """

    out: Path
    n_samples: int
    n_errors: int
    n_cached: int
    by_class: dict[str, int]
    accuracy: float | None
    first_errors: tuple[tuple[str, str], ...]
    seconds: float


@dataclass(frozen=True)
class ScoreJob:
    """A model, the plan that computes its features, and the images.

    Attributes
    ----------
    model : Model
    plan : Plan
    source : Source
    store : FeatureStore or None
        Features found there are not computed again.
    """

    model: Model
    plan: Plan
    source: Source
    store: FeatureStore | None = None


def score(
    job: ScoreJob,
    out: Path,
    options: RunOptions | None = None,
    observer: Observer | None = None,
) -> ScoreReport:
    """Predict every image of the source and write one row each, in the source's order.

    Raises
    ------
    FeatureMismatchError
        This machine's backbone or weights are not those that the model was made with.
    TooManyBadImagesError
        More images failed than ``options.max_bad`` allows; the file is written.
    """
    job.model.check_spec(job.plan.spec)
    check_ending(out)
    options = options or RunOptions()
    start = time.perf_counter()
    listing = job.source.listing()
    tally = _Tally(job.model.class_names)
    with open_writer(out) as writer:
        for chunk in iter_features(job.source, job.plan, job.store, options, observer):
            rows = _rows(job.model, chunk, listing.sample_ids)
            stop = chunk.start + len(chunk.ok)
            tally.add(chunk, rows, _names(listing.class_names, listing.labels[chunk.start : stop]))
            writer.write(rows)
    if options.max_bad:
        options.max_bad.check(tally.n_errors, len(listing), str(out))
    return tally.report(out, time.perf_counter() - start)


def _rows(model: Model, chunk: FeatureChunk, sample_ids: StringColumn) -> Rows:
    n = len(chunk.ok)
    predicted: list[str | None] = [None] * n
    probability: list[float | None] = [None] * n
    if len(chunk.X):
        probabilities = model.predict_proba(np.asarray(chunk.X))
        codes = probabilities.argmax(axis=1)
        for place, row in zip(np.flatnonzero(chunk.ok), range(len(codes)), strict=True):
            predicted[place] = model.class_names[codes[row]]
            probability[place] = float(probabilities[row, codes[row]])
    return Rows(
        id=[_printable(sample_ids[chunk.start + place]) for place in range(n)],
        predicted=predicted,
        probability=probability,
        status=["ok" if ok else "error" for ok in chunk.ok],
        reason=list(chunk.reasons),
    )


class _Tally:
    def __init__(self, class_names: tuple[str, ...]) -> None:
        self.class_names = frozenset(class_names)
        self.by_class: Counter[str] = Counter()
        self.first_errors: list[tuple[str, str]] = []
        self.n_samples = self.n_errors = self.n_cached = self.n_judged = self.n_right = 0

    def add(self, chunk: FeatureChunk, rows: Rows, truth: list[str | None]) -> None:
        self.n_samples += len(rows.id)
        self.n_cached += chunk.n_cached
        self.by_class.update(name for name in rows.predicted if name is not None)
        for place, status in enumerate(rows.status):
            if status == "error":
                self.n_errors += 1
                if self.n_errors <= SHOWN_ERRORS:
                    self.first_errors.append((rows.id[place], rows.reason[place]))
            elif truth[place] in self.class_names:
                self.n_judged += 1
                self.n_right += rows.predicted[place] == truth[place]

    def report(self, out: Path, seconds: float) -> ScoreReport:
        return ScoreReport(
            out=out,
            n_samples=self.n_samples,
            n_errors=self.n_errors,
            n_cached=self.n_cached,
            by_class=dict(self.by_class.most_common()),
            accuracy=self.n_right / self.n_judged if self.n_judged else None,
            first_errors=tuple(self.first_errors),
            seconds=seconds,
        )


def _names(class_names: tuple[str, ...], labels: NDArray[np.int64]) -> list[str | None]:
    return [class_names[label] if label >= 0 else None for label in labels]


def _printable(sample_id: str) -> str:
    """Return an id as valid Unicode; bytes of a name that are no UTF-8 become ``\\xNN``."""
    return sample_id.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
