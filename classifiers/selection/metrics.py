"""The metrics that featx knows: one frozen record each. Nothing else lists them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import ConfigError
from ...cache.suggest import did_you_mean

Z_95 = 1.959963984540054
Interval = tuple[float, float]


@dataclass(frozen=True)
class Predictions:
    """Rows with their true classes and the probabilities that a head gave them.

    Attributes
    ----------
    y : ndarray of int64, shape (n_samples,)
        True classes, columns of ``probabilities``.
    probabilities : ndarray of float, shape (n_samples, n_classes)
    """

    y: NDArray[np.int64]
    probabilities: NDArray[Any]

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable class of each row, ``(n_samples,)``."""
        best: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return best

    @cached_property
    def present(self) -> NDArray[np.int64]:
        """The classes that occur in ``y``, ascending."""
        return np.unique(self.y)

    @property
    def classes(self) -> range:
        """All classes."""
        return range(self.probabilities.shape[1])


@dataclass(frozen=True)
class Need:
    """What rows must have so that a metric is defined on them.

    Attributes
    ----------
    problem : callable
        Takes the number of rows of each class and the classes' names; returns what is missing, or
        an empty string.
    """

    problem: Callable[[NDArray[np.int64], Sequence[str]], str]


def _absent_classes(counts: NDArray[np.int64], class_names: Sequence[str]) -> str:
    absent = [name for name, n in zip(class_names, counts, strict=True) if not n]
    return f"no row of {listed(absent)}" if absent else ""


def more_classes_than(n: int) -> Need:
    """Return the need for more than ``n`` classes."""
    return Need(lambda counts, _: "" if len(counts) > n else f"no more than {n} classes")


ANY_ROW = Need(lambda counts, _: "" if counts.sum() else "no rows")
EVERY_CLASS = Need(_absent_classes)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What featx knows of one metric.

    Attributes
    ----------
    name : str
        On the command line, in JSON and in CSV.
    title : str
        In tables and sentences.
    description : str
        One line.
    function : callable
        Takes ``Predictions`` on which the metric is defined; returns its value.
    higher_is_better : bool
    needs : tuple of Need
        What the rows must have; without it the metric is undefined, and absent.
    interval : callable, optional
        Takes the value and the number of rows; returns the 95 % interval.
    in_tables : bool
        Whether it stands in every table, whatever a sweep is ranked by.
    """

    name: str
    title: str
    description: str
    function: Callable[[Predictions], float]
    higher_is_better: bool = True
    needs: tuple[Need, ...] = (ANY_ROW,)
    interval: Callable[[float, int], Interval] | None = None
    in_tables: bool = False

    def undefined(self, y: NDArray[np.int64], class_names: Sequence[str]) -> str:
        """Say why the metric is undefined on rows of these classes; empty where it is defined."""
        counts = np.bincount(y, minlength=len(class_names))
        return next(filter(None, (need.problem(counts, class_names) for need in self.needs)), "")

    def rank(self, value: float | None) -> tuple[bool, float]:
        """Return a key that sorts the best value first, and undefined ones last."""
        if value is None:
            return True, 0.0
        return False, -value if self.higher_is_better else value


def wilson_interval(share: float, n: int) -> Interval:
    """Return the 95 % interval of a share of ``n`` (Wilson 1927, JASA 22:209)."""
    if n == 0:
        return 0.0, 1.0
    z2 = Z_95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def _accuracy(rows: Predictions) -> float:
    return float((rows.y == rows.predicted).mean())


def _f1(rows: Predictions) -> float:
    from sklearn.metrics import f1_score

    options = {"average": "macro", "labels": rows.present, "zero_division": 0}
    return float(f1_score(rows.y, rows.predicted, **options))


def _auc(rows: Predictions) -> float:
    """Return the area under the ROC curve, from ranks (Mann & Whitney 1947): ties share theirs.

    It equals scikit-learn's ``roc_auc_score(multi_class="ovr")``, which sorts once a class in turn.
    """
    from scipy.stats import rankdata

    counts = np.bincount(rows.y, minlength=len(rows.classes))
    ranks = rankdata(rows.probabilities, axis=0)
    sums = np.array([ranks[rows.y == label, label].sum() for label in rows.classes])
    areas = (sums / counts - (counts + 1) / 2) / (len(rows.y) - counts)
    return float(areas[1] if len(areas) == 2 else areas.mean())


def _balanced_accuracy(rows: Predictions) -> float:
    from sklearn.metrics import recall_score

    # balanced_accuracy_score is the same, and warns where a class is predicted that does not occur.
    options = {"average": "macro", "labels": rows.present, "zero_division": 0}
    return float(recall_score(rows.y, rows.predicted, **options))


def _log_loss(rows: Predictions) -> float:
    from sklearn.metrics import log_loss

    return float(log_loss(rows.y, rows.probabilities, labels=rows.classes))


def _top5(rows: Predictions) -> float:
    """Count the classes that are more probable than the true one; of equals, later ones are.

    It equals scikit-learn's ``top_k_accuracy_score``, which sorts all classes of every row.
    """
    true_ones = rows.probabilities[np.arange(len(rows.y)), rows.y][:, None]
    is_later = np.array(rows.classes) > rows.y[:, None]
    is_ahead = (rows.probabilities > true_ones) | (is_later & (rows.probabilities == true_ones))
    return float((is_ahead.sum(axis=1) < 5).mean())


RECORDS = (
    Metric(
        name="accuracy",
        title="accuracy",
        description="share of rows whose most probable class is the true one",
        function=_accuracy,
        interval=wilson_interval,
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
        needs=(ANY_ROW, EVERY_CLASS, more_classes_than(1)),
        in_tables=True,
    ),
    Metric(
        name="balanced_accuracy",
        title="balanced accuracy",
        description="mean over the classes that occur of the share of right answers",
        function=_balanced_accuracy,
    ),
    Metric(
        name="log_loss",
        title="log loss",
        description="mean of -log of the probability of the true class; lower is better",
        function=_log_loss,
        higher_is_better=False,
        needs=(ANY_ROW, more_classes_than(1)),
    ),
    Metric(
        name="top5",
        title="top 5",
        description="share of rows whose true class is among the five most probable ones",
        function=_top5,
        needs=(ANY_ROW, more_classes_than(5)),
        interval=wilson_interval,
    ),
)
METRICS: Mapping[str, Metric] = MappingProxyType({record.name: record for record in RECORDS})
DEFAULT_METRIC = "accuracy"


def find_metric(name: str) -> Metric:
    """Return the record of a metric.

    Raises
    ------
    ConfigError
        There is none of that name.
    """
    if name not in METRICS:
        raise ConfigError(f"unknown metric {name!r}. {did_you_mean(name, METRICS)}")
    return METRICS[name]


@dataclass(frozen=True)
class Measures:
    """Every metric of a head on some rows.

    Attributes
    ----------
    metrics : dict of str to float
    intervals : dict of str to (low, high)
        Of the metrics that have a 95 % interval.
    undefined : dict of str to str
        The metrics that are undefined on these rows, and why; ``metrics`` does not hold them.
    """

    metrics: dict[str, float]
    intervals: dict[str, Interval]
    undefined: dict[str, str]


def measure(
    y: NDArray[np.int64], probabilities: NDArray[Any], class_names: Sequence[str]
) -> Measures:
    """Measure every metric.

    Parameters
    ----------
    y : ndarray of int64, shape (n_samples,)
        True classes, columns of ``probabilities``.
    probabilities : ndarray of float, shape (n_samples, n_classes)
    class_names : sequence of str, length n_classes
        For the reasons why a metric is undefined.
    """
    rows = Predictions(y, probabilities)
    reasons = {metric.name: metric.undefined(y, class_names) for metric in RECORDS}
    values = {m.name: m.function(rows) for m in RECORDS if not reasons[m.name]}
    intervals = {m.name: m.interval for m in RECORDS if m.interval and m.name in values}
    return Measures(
        values,
        {name: interval(values[name], len(y)) for name, interval in intervals.items()},
        {name: reason for name, reason in reasons.items() if reason},
    )


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return the first names in quotes, and how many more there are."""
    shown = ", ".join(repr(name) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
