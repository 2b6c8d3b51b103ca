"""Bootstrap: the spread of metrics over samples that are drawn from the judged rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .record import Metric
from .weighted_rows import WeightedRows
from .wilson import Interval

N_DRAWS = 1000
LEAST_DEFINED = 0.9
"""Share of the draws on which a metric must be defined so that they say something of it."""
PART_NUMBERS = 1 << 22
"""Most weights in memory at a time."""


def draw_weights(
    n_rows: int, n_draws: int = N_DRAWS, random_state: int = 0
) -> Iterator[NDArray[np.float32]]:
    """Yield how often each row is drawn, ``(n_rows, n)``: as many rows as there are, put back.

    Several arrays make up the draws, so that their memory is bounded. The same arguments give the
    same draws.
    """
    rng = np.random.default_rng(random_state)
    part = max(1, min(n_draws, PART_NUMBERS // max(1, n_rows)))
    for start in range(0, n_draws, part):
        weights = np.empty((min(part, n_draws - start), n_rows), np.float32)
        for draw in weights:
            draw[:] = np.bincount(rng.integers(0, n_rows, n_rows), minlength=n_rows)
        yield np.ascontiguousarray(weights.T)


def bootstrap_draws(
    metrics: Sequence[Metric],
    y: NDArray[np.int64],
    probabilities: NDArray[Any],
    n_draws: int = N_DRAWS,
    random_state: int = 0,
    class_names: Sequence[str] = (),
) -> dict[str, NDArray[np.float64]]:
    """Return each metric on each draw, ``(n_draws,)``; NaN where a draw leaves it undefined.

    Parameters
    ----------
    metrics : sequence of Metric
        Those that are defined on the rows.
    y : ndarray of int64, shape (n_samples,)
    probabilities : ndarray of float, shape (n_samples, n_classes)
    n_draws, random_state : int
        Two models get the same draws: their differences are paired.
    class_names : sequence of str
        For metrics that name a class.
    """
    parts: dict[str, list[NDArray[np.float64]]] = {metric.name: [] for metric in metrics}
    for weights in draw_weights(len(y), n_draws, random_state):
        rows = WeightedRows(y, probabilities, weights, class_names)
        for metric in metrics:
            parts[metric.name].append(metric.function(rows))
    return {name: np.concatenate(values) for name, values in parts.items()}


def bootstrap_interval(draws: NDArray[np.float64]) -> Interval | None:
    """Return the 95 % percentile interval (Efron 1979, Annals of Statistics 7:1).

    None where more than a tenth of the draws leave the metric undefined.
    """
    defined = draws[~np.isnan(draws)]
    if len(defined) < LEAST_DEFINED * len(draws):
        return None
    low, high = np.quantile(defined, [0.025, 0.975])
    return float(low), float(high)
