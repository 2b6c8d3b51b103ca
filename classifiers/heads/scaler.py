"""Standardising features in blocks: zero mean and unit variance, measured on the training rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .row_blocks import Floats, row_slices

GUESS_ROWS = 256
SUM_ROWS = 1024
SCALED_ROWS = 128


def measure_scale(
    X: Any, weight: NDArray[np.float64] | None, dtype: np.dtype[Any]
) -> tuple[Floats, Floats]:
    """Measure the weighted mean and standard deviation of each column in one pass.

    Sums of differences from a first guess of the mean, and of their squares (Chan, Golub & LeVeque
    1983, "Algorithms for computing the sample variance"): in ``dtype`` within a block of rows, in
    float64 across blocks.

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
    weights = np.ones(n_samples, dtype) if weight is None else weight.astype(dtype)
    guess = _guess_mean(np.asarray(X[: min(n_samples, GUESS_ROWS)], dtype))
    drift, square = np.zeros(n_features), np.zeros(n_features)
    for rows in row_slices(n_samples, SUM_ROWS):
        difference = np.asarray(X[rows], dtype) - guess
        drift += weights[rows] @ difference
        np.square(difference, out=difference)
        square += weights[rows] @ difference
    total = float(weights.sum(dtype=np.float64))
    drift /= total
    variance = np.maximum(square / total - drift**2, 0)
    mean = guess + drift
    rounding = (4 * np.finfo(dtype).eps * np.abs(mean)) ** 2
    scale = np.sqrt(np.where(variance > rounding, variance, 1.0))
    return mean.astype(dtype), np.maximum(scale, np.finfo(dtype).tiny).astype(dtype)


def set_weights(widths: Sequence[int]) -> NDArray[np.float64]:
    """Return a factor for each standardised column, with which all sets have one total variance.

    A set of many columns would otherwise decide distances and penalties alone. The total over all
    columns stays as it is, so that parameters mean what they mean without the factors (the block
    scaling of multiblock analysis; Westerhuis et al. 1998, J. Chemometrics 12, 301).

    Parameters
    ----------
    widths : sequence of int
        Number of columns of each set.
    """
    columns = np.asarray(widths, np.int64)
    return np.repeat(np.sqrt(columns.sum() / (len(columns) * columns)), columns)


def _guess_mean(block: Floats) -> Floats:
    """Return a first guess: the mean of some rows, or exactly the value that all of them share."""
    mean = block.mean(axis=0, dtype=np.float64).astype(block.dtype)
    guess: Floats = np.where((block == block[0]).all(axis=0), block[0], mean)
    return guess


def standardised(block: Floats, mean: Floats, scale: Floats) -> Floats:
    """Return ``(block - mean) / scale`` as a new array of the block's dtype."""
    result: Floats = np.empty(block.shape, block.dtype)
    scale = scale.astype(block.dtype, copy=False)
    for rows in row_slices(len(block), SCALED_ROWS):  # the second pass finds them in the cache
        np.subtract(block[rows], mean, out=result[rows])
        result[rows] /= scale
    return result
