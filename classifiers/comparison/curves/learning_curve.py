"""Learning curves: how good a head is by the number of its training images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache import FeatureSet, Result, Scores
from ....cache.errors import ConfigError, FeatxError, TrainingDataError
from ....extractor.run_options import LogObserver, Observer
from ...heads.registry import HEADS, make_head
from ...selection.decisions.class_values import class_weights_by_index
from ...selection.fit import seeded_head
from ...selection.metrics import METRICS, Metric, WeightedRows, always, measure
from ...selection.splitting.preparation import prepare
from ..source_results import best_on_validation
from .power_law import Outlook, forecast
from .stratified import stratified_sample

FEWEST_IMAGES = 10
DEFAULT_HEAD = "logreg"
POINT = 0.01
CANNOT_FIT = (FeatxError, ValueError, ArithmeticError)


@dataclass(frozen=True)
class Subject:
    """A head with the parameters that it is drawn with."""

    head: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class CurvePoint:
    """A metric with so many training images.

    Attributes
    ----------
    n_images : int
    values : tuple of float
        One for each draw of the images.
    """

    n_images: int
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over the draws."""
        return float(np.mean(self.values))


@dataclass(frozen=True)
class LearningCurve:
    """The learning curve of a head.

    Attributes
    ----------
    subject : Subject
    points : tuple of CurvePoint
        By number of images, ascending; the last one is all of them.
    forecast : Outlook or None
        None where it cannot be said.
    on_all : Scores or None
        Of the head that learned from all training images; None where it could not be fitted.
    baseline : Scores
        Of always saying the most frequent class, on the same rows.
    problem : str
        Why some draws could not be fitted.
    """

    subject: Subject
    points: tuple[CurvePoint, ...]
    forecast: Outlook | None
    on_all: Scores | None
    baseline: Scores
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "head": self.subject.head,
            "params": dict(self.subject.params),
            "points": [{**asdict(point), "mean": point.mean} for point in self.points],
            "forecast": asdict(self.forecast) if self.forecast else None,
            "on_all": self.on_all.to_dict() if self.on_all else None,
            "baseline": self.baseline.to_dict(),
            "problem": self.problem,
        }


@dataclass(frozen=True)
class CurveOptions:
    """How learning curves are drawn.

    Attributes
    ----------
    metric : Metric
    n_draws : int
        Samples of each size; all images are one sample.
    random_state : int
        Of the split and the draws.
    """

    metric: Metric = METRICS["accuracy"]
    n_draws: int = 5
    random_state: int = 0

    def __post_init__(self) -> None:
        if self.n_draws < 1:
            raise ConfigError(f"--draws takes 1 or more, got {self.n_draws}")


def choose_subjects(
    heads: Sequence[str], features: FeatureSet, results: Sequence[Result]
) -> list[Subject]:
    """Return heads with the parameters that were the best so far on the features.

    Parameters
    ----------
    heads : sequence of str
        Empty for the best head so far.
    features : FeatureSet
    results : sequence of Result
        What was measured; a head that was not has its default parameters.

    Raises
    ------
    UnknownHeadError
        There is no such head.
    """
    measured = [r for r in results if r.features == features.name and r.head in HEADS]
    if not heads:
        best = best_on_validation(measured, METRICS["accuracy"]) if measured else None
        heads = [best.head if best else DEFAULT_HEAD]
    subjects = []
    for head in heads:
        make_head(head)
        of_head = [r for r in measured if r.head == head]
        best = best_on_validation(of_head, METRICS["accuracy"]) if of_head else None
        subjects.append(Subject(head, dict(best.params) if best else {}))
    return subjects


def learning_curves(
    features: FeatureSet,
    subjects: Sequence[Subject],
    options: CurveOptions,
    observer: Observer | None = None,
) -> list[LearningCurve]:
    """Fit heads on more and more of the training rows, and measure them on validation.

    The samples are stratified, take rows group by group, and are the same for all heads.

    Parameters
    ----------
    features : FeatureSet
    subjects : sequence of Subject
    options : CurveOptions
    observer : Observer, optional
        Hears what is odd about the rows, and counts fits.

    Raises
    ------
    TrainingDataError
        There are no validation rows, or the metric is undefined on them.
    """
    observer = observer or LogObserver()
    prepared = prepare(features, options.random_state)
    split = prepared.split
    if not len(split.val):
        raise TrainingDataError(
            "a learning curve is measured on validation images, and there are none: add images"
        )
    options.metric.check(features.class_names)
    reason = options.metric.undefined(features.y[split.val], features.class_names)
    if reason:
        raise TrainingDataError(f"{options.metric.title} is undefined on validation: {reason}")
    rows = _Rows(
        np.asarray(features.X[split.train]),
        features.y[split.train],
        split.units[split.train],
        None if features.weights is None else features.weights[split.train],
        np.asarray(features.X[split.val]),
        features.y[split.val],
        features.class_names,
        features.X.widths,
    )
    sizes = curve_sizes(len(split.train), rows.n_classes)
    samples = {size: _samples(rows, size, options) for size in sizes}
    observer.begin(len(subjects) * sum(map(len, samples.values())), "learning curves")
    return [_curve(subject, rows, samples, options, observer) for subject in subjects]


def curve_sizes(n_train: int, n_classes: int) -> list[int]:
    """Return numbers of training images, each twice the one before, up to all."""
    size, sizes = max(FEWEST_IMAGES, n_classes), []
    while size < 0.75 * n_train:
        sizes.append(size)
        size *= 2
    return [*sizes, n_train]


@dataclass(frozen=True)
class _Rows:
    X: NDArray[Any]
    y: NDArray[np.int64]
    units: NDArray[np.int64]
    weights: NDArray[Any] | None
    X_val: NDArray[Any]
    y_val: NDArray[np.int64]
    class_names: tuple[str, ...]
    widths: tuple[int, ...]

    @property
    def n_classes(self) -> int:
        return len(self.class_names)

    def baseline(self, metric: Metric) -> Scores:
        """Measure always saying the most frequent class of the training rows."""
        label = int(np.bincount(self.y).argmax())
        return always(self.y_val, self.class_names, label, "val", [metric])

    def scores(
        self, subject: Subject, probabilities: NDArray[np.float32], metric: Metric
    ) -> Scores:
        """Measure what a head says of the validation rows."""
        measures = measure(self.y_val, probabilities, self.class_names, [metric])
        return Scores(subject.head, "val", dict(subject.params), len(self.y_val), **vars(measures))


def _samples(rows: _Rows, size: int, options: CurveOptions) -> list[NDArray[np.int64]]:
    n_draws = options.n_draws if size < len(rows.y) else 1
    seeds = np.random.SeedSequence([options.random_state, size]).generate_state(n_draws)
    return [stratified_sample(rows.y, size, int(seed), rows.units) for seed in seeds]


def _curve(
    subject: Subject,
    rows: _Rows,
    samples: Mapping[int, Sequence[NDArray[np.int64]]],
    options: CurveOptions,
    observer: Observer,
) -> LearningCurve:
    points, problem = [], ""
    last: NDArray[np.float32] | None = None
    for size, drawn in samples.items():
        values = []
        for sample in drawn:
            try:
                last = _probabilities(subject, rows, sample, options.random_state)
                values.append(_value(rows, last, options.metric))
            except CANNOT_FIT as error:  # too few images of a class for this head
                last, problem = None, problem or f"not fitted on {size:,} images: {error}"
            observer.advance(1)
        defined = tuple(value for value in values if not np.isnan(value))
        if defined:
            points.append(CurvePoint(size, defined))
    if not points:
        raise TrainingDataError(f"{subject.head} could not be fitted on any sample; {problem}")
    is_score = options.metric.higher_is_better
    errors = [[1 - v if is_score else v for v in point.values] for point in points]
    ahead = forecast([p.n_images for p in points], errors, POINT, options.random_state)
    on_all = None if last is None else rows.scores(subject, last, options.metric)
    baseline = rows.baseline(options.metric)
    return LearningCurve(subject, tuple(points), ahead, on_all, baseline, problem)


def _probabilities(
    subject: Subject, rows: _Rows, sample: NDArray[np.int64], random_state: int
) -> NDArray[np.float32]:
    """Fit the head on a sample, and return the probabilities of the validation rows."""
    head = seeded_head(subject.head, subject.params, random_state)
    y, weights = rows.y[sample], None if rows.weights is None else rows.weights[sample]
    with class_weights_by_index([head], rows.class_names, y):
        head.fit(rows.X[sample], y, weights, groups=rows.units[sample], widths=rows.widths)
    probabilities = np.zeros((len(rows.y_val), rows.n_classes), np.float32)
    probabilities[:, head.classes_] = head.predict_proba(rows.X_val)
    return probabilities


def _value(rows: _Rows, probabilities: NDArray[np.float32], metric: Metric) -> float:
    judged = WeightedRows(rows.y_val, probabilities, class_names=rows.class_names)
    return float(metric.function(judged)[0])
