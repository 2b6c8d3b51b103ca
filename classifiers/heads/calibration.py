"""Probabilities from decision values, through one temperature."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .row_blocks import Floats, Ints

LOW, HIGH = 1e-4, 1e4
STEPS = 60


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


def fit_temperature(decision: Floats, y: Ints, weight: NDArray[np.float64] | None = None) -> float:
    """Find the factor under which held-out decision values are the likeliest probabilities.

    Temperature scaling (Guo et al. 2017, "On calibration of modern neural networks") on labels
    smoothed as by Platt (1999), so that perfectly separated samples give a finite factor. The
    likelihood is convex in the factor; its derivative is bisected on a logarithmic scale.

    Parameters
    ----------
    decision : ndarray, shape (n,) or (n, 1) for two classes, else (n, k)
        Of samples that the head was not trained on.
    y : ndarray of int64, shape (n,)
        Class indices.
    weight : ndarray of float64, shape (n,), optional

    Returns
    -------
    float
        Between 1e-4 and 1e4 over the mean size of ``decision``; 1 if nothing can be learned.
    """
    values = np.asarray(decision, np.float64)
    logits = values.reshape(len(values), -1)
    if logits.shape[1] == 1:
        logits = np.concatenate((np.zeros_like(logits), logits), axis=1)
    weights = np.ones(len(y)) if weight is None else weight
    spread = float(np.average(np.ptp(logits, axis=1), weights=weights)) if len(y) else 0.0
    if not spread > 0:
        return 1.0
    wanted = _wanted_mean(logits, y, weights)

    def slope(factor: float) -> float:
        return float(weights @ (softmax(logits * factor) * logits).sum(axis=1)) - wanted

    return _bisect(slope, LOW / spread, HIGH / spread)


def _wanted_mean(logits: Floats, y: Ints, weights: NDArray[np.float64]) -> float:
    """Return the weighted sum of the logits under the smoothed labels."""
    n_classes = logits.shape[1]
    smoothing = 1.0 / (float(weights.sum()) + 2)
    own = logits[np.arange(len(y)), y]
    others = (logits.sum(axis=1) - own) / (n_classes - 1)
    return float(weights @ (own * (1 - smoothing) + others * smoothing))


def _bisect(slope: Any, low: float, high: float) -> float:
    if slope(low) >= 0:
        return low
    for _ in range(STEPS):
        middle = float(np.sqrt(low * high))
        if slope(middle) < 0:
            low = middle
        else:
            high = middle
        if high / low < 1 + 1e-6:
            break
    return float(np.sqrt(low * high))


def stratified_folds(y: Ints, n_folds: int, seed: int = 0) -> Iterator[tuple[Ints, Ints]]:
    """Split samples into folds with each class spread evenly over them.

    A class with one sample is never held out, so that every training side knows every class.

    Yields
    ------
    train, held_out : ndarray of int64
        Indices in ascending order; folds that would hold nothing out are left out.
    """
    fold = np.full(len(y), -1)
    generator = np.random.default_rng(seed)
    for label in np.unique(y):
        members = generator.permutation(np.flatnonzero(y == label))
        if len(members) > 1:
            fold[members] = np.arange(len(members)) % n_folds
    for i in range(n_folds):
        held_out = np.flatnonzero(fold == i)
        if len(held_out):
            yield np.flatnonzero(fold != i), held_out


def calibration_folds(y: Ints, n_folds: int = 3, n_enough: int = 1000) -> list[tuple[Ints, Ints]]:
    """Choose what is held out to fit one temperature: few samples suffice for one number.

    Returns
    -------
    list of (train, held_out)
        All of ``n_folds`` folds, or one fold of a fifth where that alone holds ``n_enough``
        samples out; empty where every class has one sample.
    """
    if len(y) >= 5 * n_enough:
        return list(stratified_folds(y, 5))[:1]
    return list(stratified_folds(y, n_folds))
