"""Curvature pairs of L-BFGS, applied as matrices, and carried along a path of C."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import solve_triangular

from .solver_options import F32, F64

# A step and a change of the gradient that are nearly orthogonal carry no curvature.
LEAST_COSINE = 1e-10


class CurvaturePairs:
    """The last steps ``s`` and changes of the gradient ``y``, oldest first, up to ``capacity``.

    Parameters
    ----------
    capacity : int
    shape : tuple (k, d + 1)
        Of the coefficients; the last column holds the intercepts.

    Notes
    -----
    `apply` computes the two loops of L-BFGS (Nocedal & Wright, *Numerical Optimization*, alg. 7.4)
    as matrices: each loop is a triangular system in the products ``s_i · y_j``, and the long
    vectors take part in four matrix-vector products only.

    A change is ``C`` times that of the data term, plus the step without intercepts. So the pairs of
    one C turn into those of another without a pass over X, see `rescale`.
    """

    def __init__(self, capacity: int, shape: tuple[int, int]) -> None:
        self._shape = shape
        # Rows of the pairs in the arrays, oldest first.
        self._order: list[int] = []
        self._steps: F32 = np.empty((capacity, shape[0] * shape[1]), np.float32)
        self._changes: F32 = np.empty_like(self._steps)
        self._products: F64 = np.zeros((capacity, capacity))

    def __len__(self) -> int:
        return len(self._order)

    def clear(self) -> None:
        """Forget all pairs."""
        self._order = []

    def add(self, step: F64, change: F64) -> None:
        """Keep a pair of positive curvature; it replaces the oldest where there is no room."""
        product = float(np.vdot(step, change))
        if product <= LEAST_COSINE * float(np.linalg.norm(step) * np.linalg.norm(change)):
            return
        if len(self) == len(self._steps):
            row = self._order.pop(0)
        else:
            row = min(set(range(len(self._steps))) - set(self._order))
        self._steps[row], self._changes[row] = step.ravel(), change.ravel()
        rows = self._rows
        self._products[rows, row] = self._steps[rows] @ self._changes[row]
        self._products[row, row] = product
        self._order.append(row)

    def rescale(self, ratio: float) -> None:
        """Turn the pairs of one C into those of ``ratio`` times that C."""
        if not self:
            return
        rows = self._rows
        steps = self._steps[rows].reshape(-1, *self._shape)
        changes = self._changes[rows].reshape(steps.shape)
        changes *= np.float32(ratio)
        changes[..., :-1] += np.float32(1 - ratio) * steps[..., :-1]
        self._products[rows, rows] = self._steps[rows] @ self._changes[rows].T
        # Rounding may leave an old pair without curvature; it and those before it are dropped.
        flat = np.nonzero(self._products.diagonal()[self._order] <= 0)[0]
        if len(flat):
            del self._order[: int(flat[-1]) + 1]

    def apply(self, gradient: F64, precondition: Callable[[F64], F64]) -> F64:
        """Multiply by the inverse Hessian that ``precondition`` and the pairs make.

        The preconditioner is scaled so that it meets the curvature of the newest pair.
        """
        if not self:
            return precondition(gradient)
        order, rows, newest = self._order, self._rows, self._order[-1]
        steps, changes = self._steps[rows], self._changes[rows]
        # Only what stands above the diagonal is read.
        upper = self._products[np.ix_(order, order)]
        alpha = solve_triangular(upper, _dot(steps, gradient)[order], check_finite=False)
        rest = gradient - _combine(self._by_row(alpha), changes).reshape(gradient.shape)
        change = changes[newest].reshape(gradient.shape).astype(np.float64)
        scale = upper[-1, -1] / float(np.vdot(change, precondition(change)))
        start = scale * precondition(rest)
        right = upper.diagonal() * alpha - _dot(changes, start)[order]
        weights = solve_triangular(upper, right, trans=1, check_finite=False)
        step = _combine(self._by_row(weights), steps).reshape(gradient.shape)
        return np.asarray(start + step)

    @property
    def _rows(self) -> slice:
        """The first rows of the arrays, up to the last that holds a pair."""
        return slice(max(self._order, default=-1) + 1)

    def _by_row(self, weights: F64) -> F64:
        """Return the weights of the pairs, oldest first, as those of the arrays' rows."""
        result = np.zeros(self._rows.stop)
        result[self._order] = weights
        return result


def _dot(rows: F32, vector: F64) -> F64:
    """Multiply rows by a vector; scaled, as gradients may exceed float32."""
    size = float(np.abs(vector).max()) or 1.0
    return (rows @ (vector.ravel() / size).astype(np.float32)).astype(np.float64) * size


def _combine(weights: F64, rows: F32) -> F64:
    size = float(np.abs(weights).max()) or 1.0
    return ((weights / size).astype(np.float32) @ rows).astype(np.float64) * size
