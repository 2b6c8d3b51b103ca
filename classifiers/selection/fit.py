"""Fitting one head on cached features."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import FeatureSet, JudgedRows, Predictions, Scores
from ...cache.errors import ConfigError
from ...cache.format.facts import Shown
from ...extractor.backbones.tuned import TailWeights
from ...extractor.run_options import LogObserver, Observer
from ..heads.registry import OWN, make_head
from ..heads.training_data import check_classes
from ..models.model import Model
from ..models.novelty import Novelty
from ..models.split_rows import SplitRows
from .decisions.class_values import class_weights_by_index
from .learned.rows import LearnedRows
from .memory import training_rows
from .metrics import AUTO, METRICS, Metric, always, measure, metric_for
from .origin import origin
from .splitting.preparation import Prepared, prepare
from .splitting.splits import Split

PREDICT_ROWS = 8192


@dataclass(frozen=True)
class HeadOptions:
    """Which head, with which of its parameters.

    Attributes
    ----------
    name : str
    params : mapping
    random_state : int
        Of whatever the head draws, and of the split where ``split_seed`` is None.
    memory : int, optional
        Bytes that training may take beside the program itself; larger features stay on disk.
        Without it, heads that can train from disk keep to three quarters of what is free.
    drop_near_duplicates : bool
        Leave training images out that look like validation or test images saved again.
    estimator : estimator, optional
        A classifier of scikit-learn's interface, such as a ``Pipeline``, in place of ``name``.
    split_seed : int, optional
        Of the split alone.
    metric : str
        What ``FitReport.score`` is, and by which the head is held against the baseline: the name
        of a metric, or ``auto``, as in ``SweepOptions``.
    views : int
        Views of each training image, with the image itself, that the cache must have; together
        they weigh as much as the image. Images are judged by themselves alone.
    view_ops, views_seed : str and int, optional
        How the views were drawn; by default as the newest ones of which there are enough.
    """

    name: str = "logreg"
    params: Mapping[str, Any] | None = None
    random_state: int = 0
    memory: int | None = None
    drop_near_duplicates: bool = False
    estimator: Any = None
    split_seed: int | None = None
    metric: str = AUTO
    views: int = 1
    view_ops: str | None = None
    views_seed: int | None = None

    @property
    def head_name(self) -> str:
        """Name of the head's record."""
        return self.name if self.estimator is None else OWN.name

    def make_head(self) -> Any:
        """Return the unfitted head; raises UnknownHeadError where it or a parameter is unknown."""
        if self.estimator is not None:
            return make_head(OWN.name, estimator=self.estimator)
        return seeded_head(self.name, self.params or {}, self.random_state)

    @property
    def seed_of_split(self) -> int:
        """``split_seed``, or ``random_state`` where there is none."""
        return self.random_state if self.split_seed is None else self.split_seed


@dataclass(frozen=True, repr=False)
class FitReport(Shown):
    """A fitted model and how it was measured.

    Attributes
    ----------
    model : Model
    features : str
    scores, baselines : tuple of Scores
        On validation and test, as far as they have rows; of the model, and of always saying the
        most frequent class.
    prepared : Prepared
    n_skipped : int
        Samples of the source without features.
    seconds : float
    predictions : mapping of str to Predictions
        By split; what ``scores`` were measured on.
    predict_rate : float
        Rows a second, over all splits.
    metric : Metric
        What ``score`` is.
    """

    model: Model
    features: str
    scores: tuple[Scores, ...]
    baselines: tuple[Scores, ...]
    prepared: Prepared
    n_skipped: int
    seconds: float
    predictions: Mapping[str, Predictions] = field(default_factory=dict)
    predict_rate: float = 0.0
    metric: Metric = METRICS["accuracy"]

    @property
    def score(self) -> float | None:
        """``metric`` on test, or on validation where there is no test; None where undefined."""
        return self.scores[-1].metrics.get(self.metric.name) if self.scores else None

    def _title(self) -> str:
        return f"FitReport of {self.features}"

    def _facts(self) -> dict[str, str]:
        facts = {"head": self.model.head_name, "rows": ", ".join(self._counts())}
        for scores, baseline in zip(self.scores, self.baselines, strict=True):
            value, least = (s.metrics.get(self.metric.name) for s in (scores, baseline))
            text = "undefined" if value is None else f"{value:.4f}"
            less = "" if least is None else f" (always the most frequent class: {least:.4f})"
            facts[f"{self.metric.name} on {scores.split}"] = text + less
        return {**facts, "seconds": f"{self.seconds:.2f}"}

    def _counts(self) -> list[str]:
        split = self.split
        parts = (("train", split.train), ("val", split.val), ("test", split.test))
        return [f"{len(rows):,} {name}" for name, rows in parts]

    @property
    def split(self) -> Split:
        """The rows that were learned from and judged by."""
        return self.prepared.split


def fit(
    features: FeatureSet,
    options: HeadOptions | None = None,
    command: str = "",
    observer: Observer | None = None,
) -> FitReport:
    """Fit one head on the training rows of ``features``; measure it on validation and test.

    Parameters
    ----------
    features : FeatureSet
    options : HeadOptions, optional
    command : str
        Kept in the model as its origin.
    observer : Observer, optional
        Hears what a person should know before training.

    Raises
    ------
    UnknownHeadError
        There is no such head or parameter.
    TrainingDataError
        The labels or features cannot be learned from.
    ConfigError
        ``features`` have other views than ``options`` ask for: ``with_views`` opens them.
    """
    options = options or HeadOptions()
    if features.views_taken.n != options.views:
        raise ConfigError(
            f"expected features with {options.views} views of each image, got features with "
            f"{features.views_taken.n}: `with_views` opens them"
        )
    head = options.make_head()
    prepared = prepare(features, options.seed_of_split, options.drop_near_duplicates)
    metric, note = chosen_metric(features, prepared.split, options.metric)
    for text in filter(None, (*prepared.notes, note)):
        (observer or LogObserver()).say(text)
    start = time.perf_counter()
    fit_head(head, features, prepared.split, options)
    seconds = time.perf_counter() - start
    report = measured(features, prepared, options.head_name, head, seconds, command)
    return with_metric(with_novelty(report, features), metric)


def with_novelty(report: FitReport, features: FeatureSet) -> FitReport:
    """Return the report with a model that tells images unlike its training images."""
    split = report.split
    novelty = Novelty.fit(features.X, split.train, split.val)
    return replace(report, model=replace(report.model, novelty=novelty))


def chosen_metric(features: FeatureSet, split: Split, name: str) -> tuple[Metric, str]:
    """Return the metric of a name or of ``auto``, and what to say of the choice."""
    y = features.y[split.merged().train]
    return metric_for(name, y, features.class_names, "Measured")


def with_default_metric(report: FitReport, features: FeatureSet, observer: Observer) -> FitReport:
    """Return the report with the metric that ``auto`` chooses; say why where not accuracy."""
    metric, note = chosen_metric(features, report.split, AUTO)
    if note:
        observer.say(note)
    return with_metric(report, metric)


def with_metric(report: FitReport, metric: Metric) -> FitReport:
    """Return the report with ``metric`` as its score, measured on the predictions that it has."""
    if metric.name in METRICS:
        return replace(report, metric=metric)
    scores, baselines = [], []
    for one, least in zip(report.scores, report.baselines, strict=True):
        judged = report.predictions[one.split]
        y, names = judged.y, judged.rows.class_names
        now = measure(y, judged.probabilities, names, [metric])
        scores.append(replace(one, **vars(now)))
        baselines.append(always(y, names, names.index(least.params["class"]), one.split, [metric]))
    model = replace(report.model, scores=tuple(one.to_dict() for one in scores))
    return replace(
        report, model=model, metric=metric, scores=tuple(scores), baselines=tuple(baselines)
    )


def measured(
    features: FeatureSet, prepared: Prepared, name: str, head: Any, seconds: float, command: str
) -> FitReport:
    """Make a model of a fitted head, and measure it on the validation and test rows.

    Parameters
    ----------
    features : FeatureSet
    prepared : Prepared
        Whose training rows the head was fitted on.
    name : str
        Of the head.
    head : Head
    seconds : float
        That fitting took.
    command : str
        Kept in the model as its origin.
    """
    model = unmeasured(features, prepared.split, name, head, command)
    start = time.perf_counter()
    predictions = {
        part: predict_rows(model, features, rows) for part, rows in judges(prepared.split)
    }
    predict_seconds = max(time.perf_counter() - start, 1e-9)
    return judged(model, features, prepared, predictions, (seconds, predict_seconds))


def judges(split: Split) -> list[tuple[str, NDArray[np.int64]]]:
    """Return the rows that judge a model, by the name of their split."""
    return [(name, rows) for name, rows in (("val", split.val), ("test", split.test)) if len(rows)]


def unmeasured(features: FeatureSet, split: Split, name: str, head: Any, command: str) -> Model:
    """Return the model of a fitted head, without scores.

    Raises
    ------
    ConfigError, WeightsMismatchError
        See ``TailWeights.recall``.
    """
    return Model(
        spec=features.spec,
        tail=TailWeights.recall(features.spec, features.layout),
        class_names=features.class_names,
        head_name=name,
        head=head,
        data_digest=features.manifest.data_digest,
        split=split.to_dict(),
        rows=SplitRows.of(split),
        origin=origin(command, features),
    )


def judged(
    model: Model,
    features: FeatureSet,
    prepared: Prepared,
    predictions: Mapping[str, Predictions],
    seconds: tuple[float, float],
) -> FitReport:
    """Measure a model's predictions of the rows that judge it.

    Parameters
    ----------
    model : Model
    features : FeatureSet
    prepared : Prepared
    predictions : mapping of str to Predictions
        By split, see ``judges``.
    seconds : tuple of float
        That fitting and that predicting took.
    """
    fit_seconds, predict_seconds = seconds
    split, parts = prepared.split, judges(prepared.split)
    scores = tuple(score_split(model, predictions[name], name, fit_seconds) for name, _ in parts)
    baselines = tuple(baseline(features, split.train, rows, name) for name, rows in parts)
    return FitReport(
        model=replace(model, scores=tuple(s.to_dict() for s in scores)),
        features=features.name,
        scores=scores,
        baselines=baselines,
        prepared=prepared,
        n_skipped=features.n_missing,
        seconds=fit_seconds,
        predictions=dict(predictions),
        predict_rate=sum(len(rows) for _, rows in parts) / predict_seconds,
    )


def seeded_head(name: str, params: Mapping[str, Any], random_state: int) -> Any:
    """Make an unfitted head; one that draws numbers draws them with ``random_state``.

    Raises
    ------
    UnknownHeadError
        There is no such head or parameter.
    """
    head = make_head(name, **params)
    if "random_state" in head.get_params(deep=False) and "random_state" not in params:
        head.set_params(random_state=random_state)
    return head


def fit_head(head: Any, features: FeatureSet, split: Split, options: HeadOptions) -> None:
    """Fit ``head`` on the training rows alone: the rows that judge it are never watched."""
    learned, names = LearnedRows.of(features, split.train, split.units), features.class_names
    check_classes(learned.y, names)
    width = head.matrix_width(int(features.X.shape[1]))
    budget = (options.head_name, len(names), options.memory, width)
    X = training_rows(learned.X, learned.rows, *budget)
    with class_weights_by_index([head], names, learned.y):
        head.fit(X, learned.y, learned.weights, groups=learned.groups, widths=features.X.widths)


def baseline(
    features: FeatureSet,
    train: NDArray[np.int64],
    rows: NDArray[np.int64],
    name: str,
    more: Sequence[Metric] = (),
) -> Scores:
    """Measure always saying the most frequent class of the training rows."""
    label = int(np.bincount(features.y[train]).argmax())
    return always(features.y[rows], features.class_names, label, name, more)


def predict_rows(
    model: Model, features: FeatureSet, rows: NDArray[np.int64], views: Sequence[Any] = ()
) -> Predictions:
    """Return the probabilities that ``model`` gives to some rows of ``features``.

    With ``views``, matrices of the same images, they are the mean over these and the rows.
    """
    blocks = (rows[start : start + PREDICT_ROWS] for start in range(0, len(rows), PREDICT_ROWS))
    parts = [
        np.mean([model.predict_proba(np.asarray(X[block])) for X in (features.X, *views)], axis=0)
        for block in blocks
    ]
    return Predictions(judged_rows(features, rows), np.concatenate(parts, dtype=np.float32))


def judged_rows(features: FeatureSet, rows: NDArray[np.int64]) -> JudgedRows:
    """Return what identifies some rows of ``features``."""
    ids, digests = features.sample_ids.take(rows), features.digests[rows]
    return JudgedRows(ids, digests, features.y[rows], features.class_names)


def score_split(
    model: Model,
    predictions: Predictions,
    name: str,
    fit_seconds: float,
    more: Sequence[Metric] = (),
) -> Scores:
    """Measure the predictions of ``model`` on the rows of a split."""
    rows = predictions.rows
    return Scores(
        head=model.head_name,
        split=name,
        params=model.head.get_json_params(),
        n_samples=len(rows),
        fit_seconds=fit_seconds,
        **vars(measure(rows.y, predictions.probabilities, rows.class_names, more)),
    )
