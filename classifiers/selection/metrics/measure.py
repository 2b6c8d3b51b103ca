"""Measuring a head on rows: every metric, and each class by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache.results.scores import Rarest
from .rarest import rarest_class
from .record import Metric
from .registry import RECORDS
from .weighted_rows import WeightedRows
from .wilson import Interval


@dataclass(frozen=True)
class Measures:
    """Every metric of a head on some rows.

    Attributes
    ----------
    metrics : dict of str to float
    intervals : dict of str to (low, high)
        Of the metrics that have a 95 % interval in closed form.
    undefined : dict of str to str
        The metrics that are undefined on these rows, and why; ``metrics`` does not hold them.
    rarest : Rarest or None
    """

    metrics: dict[str, float]
    intervals: dict[str, Interval]
    undefined: dict[str, str]
    rarest: Rarest | None = None


def measure(
    y: NDArray[np.int64],
    probabilities: NDArray[Any],
    class_names: Sequence[str],
    more: Sequence[Metric] = (),
) -> Measures:
    """Measure every metric.

    Parameters
    ----------
    y : ndarray of int64, shape (n_samples,)
        True classes, columns of ``probabilities``.
    probabilities : ndarray of float, shape (n_samples, n_classes)
    class_names : sequence of str, length n_classes
        For the reasons why a metric is undefined.
    more : sequence of Metric
        Metrics that are measured, too, as those that name a class.
    """
    rows = WeightedRows(y, probabilities, class_names=class_names)
    undefined, values = {}, {}
    metrics = {metric.name: metric for metric in (*RECORDS, *more)}
    for metric in metrics.values():
        reason = metric.undefined(y, class_names)
        value = float("nan") if reason else float(metric.function(rows)[0])
        if np.isnan(value):
            undefined[metric.name] = reason or metric.nan_means
        else:
            values[metric.name] = value
    forms = {m.name: m.interval for m in metrics.values() if m.interval and m.name in values}
    return Measures(
        values,
        {name: interval(values[name], rows) for name, interval in forms.items()},
        undefined,
        rarest_class(rows),
    )


def measure_classes(
    y: NDArray[np.int64], probabilities: NDArray[Any], class_names: Sequence[str]
) -> list[dict[str, Any]]:
    """Measure each class by itself, against all others.

    Returns
    -------
    list of dict
        For each class its ``class``, its number of ``rows``, and ``precision``, ``recall``, ``f1``,
        ``auc`` and ``average_precision`` as far as they are defined.
    """
    rows = WeightedRows(y, probabilities)
    areas, averages = rows.areas
    columns = {
        "precision": rows.precision,
        "recall": rows.recall,
        "f1": rows.f1,
        "auc": areas,
        "average_precision": averages,
    }
    return [
        {
            "class": name,
            "rows": int(rows.n_true[i, 0]),
            **{k: float(v[i, 0]) for k, v in columns.items() if not np.isnan(v[i, 0])},
        }
        for i, name in enumerate(class_names)
    ]


def confusion(y: NDArray[np.int64], probabilities: NDArray[Any]) -> NDArray[np.int64]:
    """Count rows by true class (rows) and most probable class (columns), ``(n_classes, …)``."""
    from sklearn.metrics import confusion_matrix

    labels = np.arange(probabilities.shape[1])
    counts = confusion_matrix(y, probabilities.argmax(axis=1), labels=labels)
    return np.asarray(counts, np.int64)
