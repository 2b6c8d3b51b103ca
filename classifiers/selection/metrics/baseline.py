"""The baseline of every table: always saying one class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ....cache.results.scores import Scores
from .measure import measure
from .record import Metric

MOST_FREQUENT = "most frequent class"


def always(
    y: NDArray[np.int64],
    class_names: Sequence[str],
    label: int,
    split: str,
    more: Sequence[Metric] = (),
) -> Scores:
    """Measure always saying the class ``label`` on rows of the classes ``y``."""
    probabilities = np.zeros((len(y), len(class_names)), np.float32)
    probabilities[:, label] = 1
    measures = measure(y, probabilities, class_names, more)
    return Scores(MOST_FREQUENT, split, {"class": class_names[label]}, len(y), **vars(measures))


def baseline_note(scores: Scores, baseline: Scores, metric: Metric, what: str) -> str:
    """Say so where a model does not beat always saying one class; empty where it does."""
    model, least = (metric.rank(one.metrics.get(metric.name)) for one in (scores, baseline))
    if model < least:
        return ""
    always_said = baseline.params["class"]
    return f"{what} is no better than always saying {always_said!r}, by {metric.title}."
