"""The metrics that featx knows. Nothing else lists them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ....cache.errors import ConfigError
from ....cache.suggest import did_you_mean
from .of_class import metric_of_class
from .record import ANY_ROW, EVERY_CLASS, Metric, more_classes_than
from .weighted_rows import Values, WeightedRows, mean_over_classes, ratio
from .wilson import Interval, wilson_interval

N_BINS = 15
RANKED = (ANY_ROW, EVERY_CLASS, more_classes_than(1))


def _share_interval(share: float, rows: WeightedRows) -> Interval:
    return wilson_interval(share, len(rows.y))


def _precision(rows: WeightedRows) -> Values:
    return mean_over_classes(rows.precision, rows.n_true > 0)


def _recall(rows: WeightedRows) -> Values:
    return mean_over_classes(rows.recall, rows.n_true > 0)


def _f1(rows: WeightedRows) -> Values:
    return mean_over_classes(rows.f1, rows.n_true > 0)


def _auc(rows: WeightedRows) -> Values:
    return _mean_area(rows.areas[0])


def _auc_weighted(rows: WeightedRows) -> Values:
    return np.asarray((rows.areas[0] * rows.n_true).sum(axis=0) / rows.total)


def _average_precision(rows: WeightedRows) -> Values:
    return _mean_area(rows.areas[1])


def _mean_area(areas: NDArray[np.float64]) -> Values:
    """Return the second of two classes' areas, or the mean over more classes."""
    return np.asarray(areas[1] if len(areas) == 2 else areas.mean(axis=0))


def _log_loss(rows: WeightedRows) -> Values:
    # As scikit-learn, which takes no logarithm of a number below the format's precision.
    epsilon = np.finfo(rows.probabilities.dtype).eps
    return rows.mean(-np.log(np.clip(rows.of_true_class, epsilon, 1 - epsilon)))


def _brier(rows: WeightedRows) -> Values:
    """Brier 1950, Monthly Weather Review 78:1; of two classes, the second one's error alone."""
    squares = np.square(rows.probabilities.astype(np.float64)).sum(axis=1)
    errors = squares - 2 * rows.of_true_class.astype(np.float64) + 1
    return rows.mean(errors / 2 if rows.n_classes == 2 else errors)


def _calibration_error(rows: WeightedRows) -> Values:
    """Guo and others 2017, arXiv:1706.04599: 15 bins of equal width."""
    confidence = rows.probabilities.max(axis=1, initial=0).astype(np.float64)
    bins = np.searchsorted(np.linspace(0, 1, N_BINS + 1)[1:-1], confidence)
    gaps = rows.sums(bins, N_BINS, rows.is_right - confidence)
    return np.asarray(np.abs(gaps).sum(axis=0) / rows.total)


def _mcc(rows: WeightedRows) -> Values:
    """Gorodkin 2004, Computational Biology and Chemistry 28:367."""
    n, true, predicted = rows.total, rows.n_true, rows.n_predicted
    covariance = rows.n_right.sum(axis=0) * n - (true * predicted).sum(axis=0)
    spread = (n**2 - (true**2).sum(axis=0)) * (n**2 - (predicted**2).sum(axis=0))
    return ratio(covariance, np.sqrt(np.maximum(spread, 0)))


def _top(k: int) -> Callable[[WeightedRows], Values]:
    """Count the classes that are more probable than the true one; of equals, later ones are."""

    def share(rows: WeightedRows) -> Values:
        true_ones = rows.of_true_class[:, None]
        is_later = np.arange(rows.n_classes) > rows.y[:, None]
        is_ahead = rows.probabilities > true_ones
        is_ahead |= is_later & (rows.probabilities == true_ones)
        return rows.mean(is_ahead.sum(axis=1) < k)

    return share


RECORDS = (
    Metric(
        name="accuracy",
        title="accuracy",
        description="share of rows whose most probable class is the true one",
        function=lambda rows: rows.mean(rows.is_right),
        interval=_share_interval,
        in_tables=True,
    ),
    Metric(
        name="f1",
        title="F1",
        description="mean over the classes that occur of the F1 score",
        function=_f1,
        in_tables=True,
    ),
    Metric(
        name="auc",
        title="AUC",
        description="area under the ROC curve; one class against the rest, mean over classes",
        function=_auc,
        needs=RANKED,
        in_tables=True,
    ),
    Metric(
        name="balanced_accuracy",
        title="balanced accuracy",
        description="mean over the classes that occur of the share of right answers",
        function=_recall,
    ),
    Metric(
        name="log_loss",
        title="log loss",
        description="mean of -log of the probability of the true class; lower is better",
        function=_log_loss,
        higher_is_better=False,
        in_percent=False,
        needs=(ANY_ROW, more_classes_than(1)),
    ),
    Metric(
        name="top5",
        title="top 5",
        description="share of rows whose true class is among the five most probable ones",
        function=_top(5),
        needs=(ANY_ROW, more_classes_than(5)),
        interval=_share_interval,
    ),
    Metric(
        name="top3",
        title="top 3",
        description="share of rows whose true class is among the three most probable ones",
        function=_top(3),
        needs=(ANY_ROW, more_classes_than(3)),
        interval=_share_interval,
    ),
    Metric(
        name="precision",
        title="precision",
        description="mean over the classes that occur of the share of right ones among the rows "
        "predicted so",
        function=_precision,
        nan_means="a class that occurs is never predicted",
    ),
    Metric(
        name="recall",
        title="recall",
        description="mean over the classes that occur of the share of right answers",
        function=_recall,
    ),
    Metric(
        name="auc_weighted",
        title="AUC weighted",
        description="area under the ROC curve; one class against the rest, weighted by rows",
        function=_auc_weighted,
        needs=RANKED,
    ),
    Metric(
        name="average_precision",
        title="average precision",
        description="mean precision over the ranks of a class's rows; mean over classes",
        function=_average_precision,
        needs=RANKED,
    ),
    Metric(
        name="mcc",
        title="MCC",
        description="Matthews' correlation coefficient of true and predicted classes",
        function=_mcc,
        in_percent=False,
        nan_means="one class only occurs or is predicted",
    ),
    Metric(
        name="brier",
        title="Brier score",
        description="mean squared error of the probabilities; lower is better",
        function=_brier,
        higher_is_better=False,
        in_percent=False,
        needs=(ANY_ROW, more_classes_than(1)),
    ),
    Metric(
        name="ece",
        title="calibration error",
        description="expected gap between confidence and accuracy, in 15 bins; lower is better",
        function=_calibration_error,
        higher_is_better=False,
    ),
)
METRICS: Mapping[str, Metric] = MappingProxyType({record.name: record for record in RECORDS})
DEFAULT_METRIC = "accuracy"


def find_metric(name: str) -> Metric:
    """Return the record of a metric; ``recall:Shirt`` and ``cost:costs.csv`` are names, too.

    Raises
    ------
    ConfigError
        There is none of that name.
    """
    if metric := metric_of_class(name):
        return metric
    if name not in METRICS:
        raise ConfigError(f"unknown metric {name!r}. {did_you_mean(name, METRICS)}")
    return METRICS[name]
