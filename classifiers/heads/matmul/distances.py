"""Distances between two sets of rows by one matrix product."""

from __future__ import annotations

import numpy as np

from ..row_blocks import Floats, block_rows, row_slices
from .bf16_matmul import Bf16Product

# Rows of this many bytes stay in the processor's cache between passes.
CACHED_BYTES = 1 << 19


def squared_norms(X: Floats) -> Floats:
    """Return the squared length of each row, ``(n,)``."""
    norms: Floats = np.einsum("ij,ij->i", X, X)
    return norms


def squared_distances(
    X: Floats,
    Y: Floats,
    y_norms: Floats | None = None,
    out: Floats | None = None,
    product: Bf16Product | None = None,
) -> Floats:
    """Return the squared Euclidean distance of every pair of rows.

    ``|x|^2 + |y|^2 - 2 x.y``, with what rounding makes negative set to zero.

    Parameters
    ----------
    X : ndarray, shape (n, d)
    Y : ndarray, shape (m, d)
        Of the same dtype.
    y_norms : ndarray, shape (m,), optional
        ``squared_norms(Y)``, if it is at hand.
    out : ndarray, shape (n, m), optional
        Of the same dtype; where the result is written.
    product : Bf16Product, optional
        Of ``Y``: multiplies with it instead.

    Returns
    -------
    ndarray, shape (n, m)
    """
    if product is None:
        result: Floats = np.matmul(X, Y.T, out=out)
    else:
        result = product.into(X, np.empty((len(X), len(Y)), X.dtype) if out is None else out)
    x_norms, y_norms = squared_norms(X), squared_norms(Y) if y_norms is None else y_norms
    for rows in row_slices(len(X), block_rows(len(Y), result.dtype.itemsize, CACHED_BYTES)):
        part = result[rows]
        part *= -2
        part += x_norms[rows, None]
        part += y_norms[None, :]
        np.maximum(part, 0, out=part)
    return result


def normalised(X: Floats) -> Floats:
    """Return rows of length 1; a row of zeros stays."""
    lengths = np.sqrt(squared_norms(X))
    lengths[lengths == 0] = 1
    result: Floats = X / lengths[:, None]
    return result
