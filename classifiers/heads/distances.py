"""Distances between two sets of rows by one matrix product."""

from __future__ import annotations

import numpy as np

from .blocks import Floats


def squared_norms(X: Floats) -> Floats:
    """Return the squared length of each row, ``(n,)``."""
    norms: Floats = np.einsum("ij,ij->i", X, X)
    return norms


def squared_distances(X: Floats, Y: Floats, y_norms: Floats | None = None) -> Floats:
    """Return the squared Euclidean distance of every pair of rows.

    ``|x|^2 + |y|^2 - 2 x.y``, with what rounding makes negative set to zero.

    Parameters
    ----------
    X : ndarray, shape (n, d)
    Y : ndarray, shape (m, d)
        Of the same dtype.
    y_norms : ndarray, shape (m,), optional
        ``squared_norms(Y)``, if it is at hand.

    Returns
    -------
    ndarray, shape (n, m)
    """
    result: Floats = X @ Y.T
    result *= -2
    result += squared_norms(X)[:, None]
    result += (squared_norms(Y) if y_norms is None else y_norms)[None, :]
    np.maximum(result, 0, out=result)
    return result


def normalised(X: Floats) -> Floats:
    """Return rows of length 1; a row of zeros stays."""
    lengths = np.sqrt(squared_norms(X))
    lengths[lengths == 0] = 1
    result: Floats = X / lengths[:, None]
    return result
