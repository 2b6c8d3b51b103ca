"""Everything that can be said of one result on one split."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ...cache import Result
from ...cache.errors import ConfigError
from ..selection.metrics import (
    METRICS,
    Interval,
    bootstrap_draws,
    bootstrap_interval,
    confusion,
    measure,
    measure_classes,
)
from .leaderboard import RankedResult
from .source_results import SourceResults, describe_params


@dataclass(frozen=True)
class Detail:
    """Everything that can be said of one result on one split.

    Attributes
    ----------
    entry : RankedResult
        With every metric.
    intervals : dict of str to (low, high)
        Of every metric, by bootstrap where there is no closed form.
    class_names : tuple of str
    classes : list of dict
        See ``measure_classes``.
    confusion : list of list of int
        True classes in rows, predicted ones in columns.
    """

    entry: RankedResult
    intervals: dict[str, Interval]
    class_names: tuple[str, ...]
    classes: list[dict[str, Any]]
    confusion: list[list[int]]


def detail(source: SourceResults, result: Result, split: str) -> Detail:
    """Measure a result in every way on the predictions that are kept.

    Raises
    ------
    ConfigError
        No predictions are kept for the split.
    CacheFormatError
        They are damaged.
    """
    predictions = source.predictions(result, split)
    if predictions is None:
        kept = ", ".join(result.rows) or "none"
        raise ConfigError(
            f"{result.id} has no predictions of the split {split!r}; it has those of: {kept}"
        )
    y, probabilities, names = predictions.y, predictions.probabilities, predictions.rows.class_names
    measures = measure(y, probabilities, names)
    draws = bootstrap_draws([METRICS[name] for name in measures.metrics], y, probabilities)
    intervals = {name: bootstrap_interval(values) for name, values in draws.items()}
    known = {name: interval for name, interval in intervals.items() if interval}
    scores = replace(
        result.scores[split],
        metrics=measures.metrics,
        intervals={**known, **measures.intervals},
        undefined=measures.undefined,
        rarest=measures.rarest,
    )
    return Detail(
        RankedResult(result, scores, describe_params(result), source.cost(result)),
        {**known, **measures.intervals},
        names,
        measure_classes(y, probabilities, names),
        confusion(y, probabilities).tolist(),
    )
