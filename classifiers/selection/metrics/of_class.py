"""Metrics that name a class or a file of costs: ``recall:Shirt``, ``cost:costs.csv``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....cache.errors import ConfigError
from ....cache.results.scores import Scores
from ....cache.suggest import did_you_mean
from ..decisions.class_values import CostTable, class_index
from .record import ANY_ROW, Metric, Need
from .weighted_rows import Values, WeightedRows
from .wilson import Interval, wilson_interval

SEPARATOR, COST = ":", "cost"
ClassValues = Callable[[WeightedRows, int], Values]
OF_CLASS: dict[str, tuple[ClassValues, str]] = {
    "recall": (lambda rows, label: rows.recall[label], ""),
    "precision": (lambda rows, label: rows.precision[label], "the class is never predicted"),
    "f1": (lambda rows, label: rows.f1[label], ""),
    "auc": (lambda rows, label: rows.areas_of(label)[0], ""),
    "average_precision": (lambda rows, label: rows.areas_of(label)[1], ""),
}
FORMS = ("recall:CLASS", f"{COST}:FILE.csv")
"""How such names are written, for help."""


def metric_of_class(name: str) -> Metric | None:
    """Return the metric that a name with a colon stands for; None where it has none.

    Raises
    ------
    ConfigError
        There is no such metric of a class, or the costs cannot be read.
    """
    kind, separator, rest = name.partition(SEPARATOR)
    if not separator:
        return None
    if kind == COST and rest:
        return _cost(name, CostTable.read(Path(rest)))
    if kind not in OF_CLASS or not rest:
        hint = did_you_mean(kind, (*OF_CLASS, COST))
        raise ConfigError(
            f"unknown metric {name!r}. {hint} Of a class: {', '.join(OF_CLASS)}, as recall:Shirt; "
            f"or {COST}:costs.csv"
        )
    return _of_class(name, kind, rest)


def without_costs(scores: Scores) -> Scores:
    """Return scores as they are kept: costs may be others tomorrow."""
    metrics = {k: v for k, v in scores.metrics.items() if not k.startswith(f"{COST}{SEPARATOR}")}
    return replace(scores, metrics=metrics)


def _of_class(name: str, kind: str, class_name: str) -> Metric:
    values, nan_means = OF_CLASS[kind]

    def value(rows: WeightedRows) -> Values:
        return values(rows, rows.class_names.index(class_name))

    def interval(share: float, rows: WeightedRows) -> Interval:
        counts = rows.n_true if kind == "recall" else rows.n_predicted
        return wilson_interval(share, int(counts[rows.class_names.index(class_name), 0]))

    return Metric(
        name=name,
        title=f"{kind.replace('_', ' ')} of {class_name}",
        description=f"{kind} of one class",
        function=value,
        needs=(ANY_ROW, Need(lambda counts, names: _absent(class_name, counts, names))),
        nan_means=nan_means or "undefined for these predictions",
        interval=interval if kind in ("recall", "precision") else None,
        check=lambda names: _check_class(class_name, names, name),
    )


def _check_class(class_name: str, class_names: Sequence[str], metric: str) -> None:
    class_index(class_name, class_names, f"the metric {metric}")


def _absent(class_name: str, counts: NDArray[np.int64], class_names: Sequence[str]) -> str:
    is_present = class_name in class_names and counts[class_names.index(class_name)]
    return "" if is_present else f"no row of {class_name!r}"


def _cost(name: str, table: CostTable) -> Metric:
    def value(rows: WeightedRows) -> Values:
        return rows.mean(table.matrix(rows.class_names)[rows.y, rows.predicted])

    def check(class_names: Sequence[str]) -> None:
        table.matrix(class_names)

    return Metric(
        name=name,
        title="cost",
        description="mean cost of a row; lower is better",
        function=value,
        higher_is_better=False,
        in_percent=False,
        check=check,
    )
