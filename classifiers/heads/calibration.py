"""Probabilities from decision values, through one temperature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .row_blocks import Floats, Ints

LOW, HIGH = 1e-4, 1e4
# Where the search begins, and the factor by which it widens.
COMMON, WIDENING = 10.0, 3.0
# Relative, of the factor.
TOLERANCE = 1e-6
# The decision values that one factor is fitted to, and the samples that they never fall below.
MOST_VALUES, LEAST_SAMPLES = 1 << 23, 2048


def softmax(logits: Floats) -> Floats:
    """Return the softmax of each row, ``(n, k)``, in the dtype of ``logits``."""
    shifted: Floats = logits - logits.max(axis=1, keepdims=True)
    np.exp(shifted, out=shifted)
    shifted /= shifted.sum(axis=1, keepdims=True)
    return shifted


def probabilities(decision: Floats, temperature: float = 1.0) -> Floats:
    """Turn decision values into probabilities that keep their order.

    Parameters
    ----------
    decision : ndarray, shape (n,) or (n, 1) for two classes, else (n, k)
    temperature : float
        The factor ``a > 0`` of ``softmax(a * decision)``; of the sigmoid for two classes.

    Returns
    -------
    ndarray, shape (n, k)
        Of the decision's dtype; each row sums to 1.
    """
    scaled: Floats = decision * decision.dtype.type(temperature)
    if scaled.ndim == 2 and scaled.shape[1] > 1:
        return softmax(scaled)
    margin = scaled.reshape(-1)
    # exp of a negative number only: it cannot overflow.
    tail = np.exp(-np.abs(margin))
    small, large = tail / (1 + tail), 1 / (1 + tail)
    positive = margin > 0
    return np.stack((np.where(positive, small, large), np.where(positive, large, small)), axis=1)


def calibration_draw(weights: NDArray[np.float64], n_classes: int) -> tuple[Ints, NDArray[Any]]:
    """Return the samples to calibrate with: all, or where they are many, a fixed draw.

    One factor needs no million samples, and the decisions on them for a thousand classes take
    gigabytes.

    Returns
    -------
    rows : ndarray of int64
        In order.
    weights : ndarray of float64
        Theirs; they add up to those of all samples, by which labels are smoothed.
    """
    n_samples, limit = len(weights), max(LEAST_SAMPLES, MOST_VALUES // n_classes)
    if n_samples <= limit:
        return np.arange(n_samples), weights
    drawn = np.random.default_rng(0).choice(n_samples, limit, replace=False, shuffle=False)
    rows = np.sort(drawn).astype(np.int64)
    return rows, weights[rows] * (weights.sum() / weights[rows].sum())


def fit_temperature(decision: Floats, y: Ints, weight: NDArray[np.float64] | None = None) -> float:
    """Find the factor of the decision values that maximises the likelihood of held-out labels.

    Temperature scaling (Guo et al. 2017, "On calibration of modern neural networks"), with labels
    smoothed after Platt (1999), so that perfectly separated samples give a finite factor. The
    negative log likelihood is convex in the factor; the root of its derivative is sought on a log
    scale.

    Parameters
    ----------
    decision : ndarray, shape (n,) or (n, 1) for two classes, else (n, k)
        Of samples that the head was not trained on; of very many, a fixed draw is fitted to.
    y : ndarray of int64, shape (n,)
        Class indices.
    weight : ndarray of float64, shape (n,), optional

    Returns
    -------
    float
        Between 1e-4 and 1e4 over the mean size of ``decision``; 1 if nothing can be learned.
    """
    values = np.asarray(decision).reshape(len(decision), -1)
    weights = np.ones(len(y)) if weight is None else weight
    drawn, weights = calibration_draw(weights, values.shape[1])
    if len(drawn) < len(y):
        values, y = values[drawn], y[drawn]
    logits = np.asarray(values, np.float64)
    if logits.shape[1] == 1:
        logits = np.concatenate((np.zeros_like(logits), logits), axis=1)
    spread = float(np.average(np.ptp(logits, axis=1), weights=weights)) if len(y) else 0.0
    if not 0 < spread < np.inf:
        return 1.0
    target = _smoothed_sum(logits, y, weights)

    def slope(factor: float) -> float:
        return float(weights @ (softmax(logits * factor) * logits).sum(axis=1)) - target

    return _root(slope, spread)


def _smoothed_sum(logits: Floats, y: Ints, weights: NDArray[np.float64]) -> float:
    """Return the weighted sum of the logits under the smoothed labels."""
    n_classes = logits.shape[1]
    smoothing = 1.0 / (float(weights.sum()) + 2)
    labelled = logits[np.arange(len(y)), y]
    others = (logits.sum(axis=1) - labelled) / (n_classes - 1)
    return float(weights @ (labelled * (1 - smoothing) + others * smoothing))


def _root(slope: Callable[[float], float], spread: float) -> float:
    """Return where an increasing function changes its sign, or the end of the range next to it.

    The search begins at what is common: most samples' logits differ by some units.
    """
    from scipy.optimize import brentq

    low, high = LOW / spread, HIGH / spread
    near = COMMON / spread
    step = WIDENING if slope(near) < 0 else 1 / WIDENING
    far = near
    while (slope(far) < 0) == (step > 1):
        if not low < far < high:
            return min(max(far, low), high)
        near, far = far, far * step
    root = brentq(lambda log: slope(np.exp(log)), np.log(near), np.log(far), xtol=TOLERANCE)
    return float(np.exp(root))
