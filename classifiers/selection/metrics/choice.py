"""Which metric ranks where none is named, and whether a model beats the baseline by it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .record import Metric
from .registry import DEFAULT_METRIC, METRICS, find_metric

AUTO = "auto"
BALANCED_METRIC = "balanced_accuracy"
IMBALANCE = 3
"""How many times the smallest class the largest one is where accuracy hides the small ones."""


def metric_for(
    name: str, y: NDArray[np.int64], class_names: Sequence[str], done: str = "Ranked"
) -> tuple[Metric, str]:
    """Return the metric of a name, and what to say of a choice that ``auto`` made.

    Parameters
    ----------
    name : str
        Of a metric, or ``auto``: accuracy, and balanced accuracy where the largest class has more
        than three times the rows of the smallest.
    y : ndarray of int64
        Classes of the rows; -1 for none.
    class_names : sequence of str
    done : str
        What is done by the metric, for the sentence.

    Raises
    ------
    ConfigError
        There is no such metric, or it names a class that is not there.
    """
    if name != AUTO:
        metric = find_metric(name)
        metric.check(class_names)
        return metric, ""
    counts = np.bincount(y[y >= 0], minlength=len(class_names))
    classes = np.flatnonzero(counts)
    if not len(classes):
        return METRICS[DEFAULT_METRIC], ""
    small, large = (classes[f(counts[classes])] for f in (np.argmin, np.argmax))
    if counts[large] <= IMBALANCE * counts[small]:
        return METRICS[DEFAULT_METRIC], ""
    metric = METRICS[BALANCED_METRIC]
    return metric, (
        f"{done} by {metric.title}: {class_names[large]!r} has {counts[large]:,} images and "
        f"{class_names[small]!r} {counts[small]:,}. --metric accuracy takes accuracy."
    )
