"""Standardising features in blocks: zero mean and unit variance, measured on the training rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .blocks import Floats, iter_blocks


def measure_scale(
    X: Any, weight: NDArray[np.float64] | None, dtype: np.dtype[Any]
) -> tuple[Floats, Floats]:
    """Measure the weighted mean and standard deviation of each column in two passes.

    The second pass sums squared differences from the mean in float64 (Chan, Golub & LeVeque 1983,
    "Algorithms for computing the sample variance"), with their correction term.

    Parameters
    ----------
    X : matrix, shape (n_samples, n_features)
    weight : ndarray of float64, shape (n_samples,), or None
    dtype : dtype
        Format of the result, float32 or float64.

    Returns
    -------
    mean, scale : ndarray, shape (n_features,)
        ``scale`` is 1 where a column is constant, so that it becomes zero.
    """
    n_samples, n_features = X.shape
    weights = np.ones(n_samples) if weight is None else weight
    total = weights.sum()
    mean = np.zeros(n_features)
    for rows, block in iter_blocks(X, np.dtype(np.float64)):
        mean += weights[rows] @ block
    mean /= total
    square, drift = np.zeros(n_features), np.zeros(n_features)
    for rows, block in iter_blocks(X, np.dtype(np.float64)):
        difference = block - mean
        drift += weights[rows] @ difference
        np.square(difference, out=difference)
        square += weights[rows] @ difference
    variance = np.maximum(square - drift**2 / total, 0) / total
    scale = np.sqrt(variance)
    scale[_is_constant(variance, mean, n_samples)] = 1.0
    return mean.astype(dtype), scale.astype(dtype)


def _is_constant(
    variance: NDArray[np.float64], mean: NDArray[np.float64], n_samples: int
) -> NDArray[np.bool_]:
    """Tell columns whose variance is no more than the rounding of their mean."""
    epsilon = np.finfo(np.float64).eps
    bound = n_samples * epsilon * variance + (n_samples * mean * epsilon) ** 2
    constant: NDArray[np.bool_] = (variance <= bound) | (variance < 1e-60)
    return constant


def standardised(block: Floats, mean: Floats, scale: Floats) -> Floats:
    """Return ``(block - mean) / scale`` as a new array of the block's dtype."""
    result: Floats = np.subtract(block, mean, dtype=block.dtype)
    result /= scale.astype(block.dtype, copy=False)
    return result
