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
        self._count = 0
        self._steps: F32 = np.empty((capacity, shape[0] * shape[1]), np.float32)
        self._changes: F32 = np.empty_like(self._steps)
        self._products: F64 = np.zeros((capacity, capacity))

    def __len__(self) -> int:
        return self._count

    def clear(self) -> None:
        """Forget all pairs."""
        self._count = 0

    def add(self, step: F64, change: F64) -> None:
        """Keep a pair of positive curvature; it replaces the oldest where there is no room."""
        product = float(np.vdot(step, change))
        if product <= LEAST_COSINE * float(np.linalg.norm(step) * np.linalg.norm(change)):
            return
        if self._count == len(self._steps):
            for array in (self._steps, self._changes):
                array[:-1] = array[1:]
            self._products[:-1, :-1] = self._products[1:, 1:]
            self._count -= 1
        new, kept = self._count, slice(self._count)
        self._steps[new], self._changes[new] = step.ravel(), change.ravel()
        self._products[kept, new] = self._steps[kept] @ self._changes[new]
        self._products[new, new] = product
        self._count += 1

    def rescale(self, ratio: float) -> None:
        """Turn the pairs of one C into those of ``ratio`` times that C."""
        kept = slice(self._count)
        steps = self._steps[kept].reshape(-1, *self._shape)
        changes = self._changes[kept].reshape(steps.shape)
        changes *= np.float32(ratio)
        changes[..., :-1] += np.float32(1 - ratio) * steps[..., :-1]
        self._products[kept, kept] = np.triu(self._steps[kept] @ self._changes[kept].T)
        # Rounding may leave an old pair without curvature; it and those before it are dropped.
        flat = np.nonzero(self._products.diagonal()[kept] <= 0)[0]
        if len(flat):
            self._drop(int(flat[-1]) + 1)

    def apply(self, gradient: F64, precondition: Callable[[F64], F64]) -> F64:
        """Multiply by the inverse Hessian that ``precondition`` and the pairs make.

        The preconditioner is scaled so that it meets the curvature of the newest pair.
        """
        if not self._count:
            return precondition(gradient)
        kept, newest = slice(self._count), self._count - 1
        steps, changes = self._steps[kept], self._changes[kept]
        upper = self._products[kept, kept]
        alpha = solve_triangular(upper, _dot(steps, gradient), check_finite=False)
        rest = gradient - _combine(alpha, changes).reshape(gradient.shape)
        change = changes[newest].reshape(gradient.shape).astype(np.float64)
        scale = upper[newest, newest] / float(np.vdot(change, precondition(change)))
        start = scale * precondition(rest)
        right = upper.diagonal() * alpha - _dot(changes, start)
        weights = solve_triangular(upper, right, trans=1, check_finite=False)
        return np.asarray(start + _combine(weights, steps).reshape(gradient.shape))

    def _drop(self, n_oldest: int) -> None:
        left = self._count - n_oldest
        for array in (self._steps, self._changes):
            array[:left] = array[n_oldest : self._count]
        self._products[:left, :left] = self._products[
            n_oldest : self._count, n_oldest : self._count
        ]
        self._count = left


def _dot(rows: F32, vector: F64) -> F64:
    """Multiply rows by a vector; scaled, as gradients may exceed float32."""
    size = float(np.abs(vector).max()) or 1.0
    return (rows @ (vector.ravel() / size).astype(np.float32)).astype(np.float64) * size


def _combine(weights: F64, rows: F32) -> F64:
    size = float(np.abs(weights).max()) or 1.0
    return ((weights / size).astype(np.float32) @ rows).astype(np.float64) * size
