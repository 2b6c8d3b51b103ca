"""What featx knows of one metric, and what a metric needs of the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .weighted_rows import Values, WeightedRows
from .wilson import Interval


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


def _suits_all(class_names: Sequence[str]) -> None:
    """Take any classes."""


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
        Takes ``WeightedRows`` on which the metric is defined; returns its value for each column of
        weights, ``(n_draws,)``; NaN where the predictions leave it undefined.
    higher_is_better : bool
    in_percent : bool
        Whether differences are told in points of a hundred, as those of shares are.
    needs : tuple of Need
        What the rows must have; without it the metric is undefined, and absent.
    nan_means : str
        Why predictions leave the metric undefined on rows that have all that it needs.
    interval : callable, optional
        Takes the value and the rows; returns the 95 % interval in closed form.
    in_tables : bool
        Whether it stands in every table, whatever a sweep is ranked by.
    check : callable
        Takes the names of classes; raises ConfigError where the metric does not suit them.
    """

    name: str
    title: str
    description: str
    function: Callable[[WeightedRows], Values]
    higher_is_better: bool = True
    in_percent: bool = True
    needs: tuple[Need, ...] = (ANY_ROW,)
    nan_means: str = "undefined for these predictions"
    interval: Callable[[float, WeightedRows], Interval] | None = None
    in_tables: bool = False
    check: Callable[[Sequence[str]], None] = _suits_all

    def undefined(self, y: NDArray[np.int64], class_names: Sequence[str]) -> str:
        """Say why the metric is undefined on rows of these classes; empty where it is defined."""
        counts = np.bincount(y, minlength=len(class_names))
        return next(filter(None, (need.problem(counts, class_names) for need in self.needs)), "")

    def rank(self, value: float | None) -> tuple[bool, float]:
        """Return a key that sorts the best value first, and undefined ones last."""
        if value is None:
            return True, 0.0
        return False, -value if self.higher_is_better else value


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return the first names in quotes, and how many more there are."""
    shown = ", ".join(repr(name) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
