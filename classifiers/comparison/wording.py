"""Comparisons in plain words."""

from __future__ import annotations

from ..selection.metrics import Metric
from .compare import Pair

ALPHA = 0.05


def in_words(pair: Pair, metric: Metric, n_pairs: int = 1) -> str:
    """Say in a sentence which of two models is better, by how much, and how sure that is."""
    if pair.difference is None or pair.adjusted is None:
        return f"{metric.title} is undefined for {pair.a} or {pair.b} on these rows."
    gain = pair.difference if metric.higher_is_better else -pair.difference
    better, worse = (pair.b, pair.a) if gain >= 0 else (pair.a, pair.b)
    ends = pair.interval or (pair.difference, pair.difference)
    low, high = sorted(end if pair.difference >= 0 else -end for end in ends)
    size = abs(pair.difference)
    after = f", after Holm's correction for {n_pairs} pairs" if n_pairs > 1 else ""
    if not size:
        return f"{pair.a} and {pair.b} are equal by {metric.title}."
    amounts = (
        f"{_amount(size, metric)}{_unit(metric)}, {_amount(low, metric)} to {_amount(high, metric)}"
    )
    odds = chance(pair.adjusted)
    if pair.adjusted <= ALPHA:
        return (
            f"{better} is better than {worse} by {amounts}; {odds} of such a difference if they "
            f"were equal{after}."
        )
    return (
        f"Nothing shows that {better} and {worse} differ: {better} is ahead by {amounts}; {odds} "
        f"of such a difference if they were equal{after}."
    )


def _unit(metric: Metric) -> str:
    return " points" if metric.in_percent else ""


def _amount(value: float, metric: Metric) -> str:
    return f"{100 * value:z.1f}" if metric.in_percent else f"{value:z.4f}"


def chance(p_value: float) -> str:
    """Return a p value as people say it: ``a chance of 1 in 400``."""
    if p_value >= 0.2:
        return f"a chance of {100 * p_value:.0f} in 100"
    if p_value < 1e-6:
        return "a chance below 1 in a million"
    return f"a chance of 1 in {float(f'{1 / p_value:.2g}'):,.0f}"
