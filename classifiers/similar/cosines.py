"""The rows of a matrix that are nearest to a vector by their cosines, exactly, in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import FeatureMatrix
from ...cache.half import widen
from ..heads.matmul.threads import Spares, run_in_threads

WINDOW_BYTES = 8 << 20
"""What a thread reads and checks at once."""
BLOCK_BYTES = 2 << 20
"""Of float32 rows that stay in the processor's cache between passes."""
EQUAL_DIGITS = 12
"""Cosines that agree in so many digits count as equal."""
SHORTEST, LONGEST = 1e-15, 1e18
"""Lengths between which no square of a row is lost in float32."""


def nearest_rows(
    X: FeatureMatrix, query: NDArray[Any], top: int, n_threads: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the ``top`` largest cosines and their rows; equal ones in the order of the rows.

    All rows are compared in float32. Those that rounding cannot rule out are compared again in
    float64, so that the answer depends on neither the blocks nor the threads.

    Parameters
    ----------
    X : FeatureMatrix, shape (n, d)
    query : ndarray, shape (d,)
        A row of zeros has the cosine 0 with all others.
    top : int
    n_threads : int

    Returns
    -------
    cosines : ndarray of float64, shape (min(top, n),)
    rows : ndarray of int64
    """
    query = _unit(query.astype(np.float64))
    cosines = _estimates(X, query.astype(np.float32), n_threads)
    rows = _candidates(cosines, top, X.shape[1])
    exact = np.zeros(len(rows))
    part_rows = max(1, WINDOW_BYTES // (8 * X.shape[1]))
    for start in range(0, len(rows), part_rows):
        part = slice(start, start + part_rows)
        exact[part] = _exact(X[rows[part]], query)
    order = np.argsort(-exact.round(EQUAL_DIGITS), kind="stable")[:top]
    return exact[order], rows[order]


def _estimates(X: FeatureMatrix, query: NDArray[np.float32], n_threads: int) -> NDArray[np.float32]:
    """Return the cosines of all rows in float32; NaN where float32 may be wrong."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    n, d = X.shape
    cosines = np.empty(n, np.float32)
    block_rows = max(1, BLOCK_BYTES // (4 * d))
    spares = Spares(lambda: np.empty((min(n, block_rows), d), np.float32))
    window_rows = max(1, WINDOW_BYTES // (X.dtype.itemsize * d))

    def compare(start: int) -> None:
        window = X.window(start, start + window_rows)[:]
        with spares.borrow() as block:
            for first in range(0, len(window), block_rows):
                part = window[first : first + block_rows]
                rows = slice(start + first, start + first + len(part))
                wide = widen(part, block[: len(part)]) if part.dtype == np.float16 else part
                cosines[rows] = _products(wide, query)

    with threadpool_limits(1, user_api="blas"):
        for _ in run_in_threads(compare, range(0, n, window_rows), n_threads):
            pass
    return cosines


def _products(X: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float32]:
    with np.errstate(all="ignore"):
        lengths = np.sqrt(np.matmul(X[:, None, :], X[:, :, None])[:, 0, 0])
        cosines: NDArray[np.float32] = X @ query / lengths
    cosines[~((lengths > SHORTEST) & (lengths < LONGEST))] = np.nan
    return cosines


def _candidates(cosines: NDArray[np.float32], top: int, n_features: int) -> NDArray[np.int64]:
    """Return the rows, ascending, that may be among the ``top``."""
    is_sure = np.isfinite(cosines)
    sure = cosines[is_sure]
    if len(sure) <= top:
        return np.arange(len(cosines))
    # A sum of d products errs by d units in the last place at most, a length by half of that.
    margin = 2 * n_features * float(np.finfo(np.float32).eps)
    lowest = float(np.partition(sure, len(sure) - top)[len(sure) - top]) - margin
    return np.flatnonzero(~is_sure | (cosines >= lowest))


def _exact(X: NDArray[Any], query: NDArray[np.float64]) -> NDArray[np.float64]:
    X = X.astype(np.float64)
    lengths = np.sqrt(np.einsum("ij,ij->i", X, X))
    lengths[lengths == 0] = 1
    cosines: NDArray[np.float64] = np.einsum("ij,j->i", X, query) / lengths
    return cosines


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / (float(np.linalg.norm(vector)) or 1.0)
