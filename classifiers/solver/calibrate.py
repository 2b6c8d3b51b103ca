"""Probabilities from decision values, fitted on held-out values, in the decisions' own order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .options import F64, Ints

MAX_NEWTON = 100
SMALLEST, LARGEST = 1e-6, 1e6


@dataclass(frozen=True)
class Temperature:
    """``softmax(slope · z)``, and ``σ(slope · z)`` for two classes.

    Attributes
    ----------
    slope : float > 0
    """

    slope: float

    def probabilities(self, decisions: NDArray[np.floating]) -> F64:
        """Return ``(n_samples, n_classes)`` from decision values ``(n_samples, n_outputs)``."""
        values = self.slope * _both_sides(np.asarray(decisions, dtype=np.float64))
        values -= values.max(axis=1, keepdims=True)
        chance = np.exp(values)
        return np.asarray(chance / chance.sum(axis=1, keepdims=True))


def fit_temperature(decisions: F64, codes: Ints, weights: F64) -> Temperature:
    """Fit the slope that minimises the cross-entropy of held-out decision values.

    Parameters
    ----------
    decisions : float64 (n_samples, n_outputs)
    codes : int64 (n_samples,)
        Class numbers.
    weights : float64 (n_samples,)
        Not negative.

    Notes
    -----
    Platt's sigmoid (*Probabilistic outputs for support vector machines*, 1999) with one slope
    for all classes and no offsets, which is temperature scaling (Guo et al., *ICML* 2017). The
    squared hinge loss is least at ``2 p - 1`` (Zhang, *Ann. Statist.* 32, 2004), so zero already
    means even odds; and only so is the most probable class always the predicted one. The
    problem is convex in one variable; Newton's steps are halved until they descend.
    """
    values = _both_sides(decisions)
    own = values[np.arange(len(values)), codes]
    slope, here = 1.0, _state(values, own, weights, 1.0)
    for _ in range(MAX_NEWTON):
        loss, gradient, curvature = here
        step = gradient / max(curvature, 1e-12)
        if abs(gradient * step) <= 1e-12 * max(loss, 1.0):
            break
        following = float(np.clip(slope - step, max(slope / 4, SMALLEST), min(slope * 4, LARGEST)))
        there = _state(values, own, weights, following)
        while there[0] > loss and abs(following - slope) > 1e-9 * slope:
            following = (following + slope) / 2
            there = _state(values, own, weights, following)
        if there[0] >= loss:
            break
        slope, here = following, there
    return Temperature(slope)


def _both_sides(decisions: F64) -> F64:
    if decisions.shape[1] > 1:
        return decisions
    return np.concatenate([np.zeros_like(decisions), decisions], axis=1)


def _state(values: F64, own: F64, weights: F64, slope: float) -> tuple[float, float, float]:
    """Return the cross-entropy and its first two derivatives by the slope."""
    scaled = slope * values
    top = scaled.max(axis=1, keepdims=True)
    chance = np.exp(scaled - top)
    total = chance.sum(axis=1, keepdims=True)
    chance /= total
    mean = (chance * values).sum(axis=1)
    spread = (chance * values**2).sum(axis=1) - mean**2
    loss = (np.log(total) + top)[:, 0] - slope * own
    return float(weights @ loss), float(weights @ (mean - own)), float(weights @ spread)
