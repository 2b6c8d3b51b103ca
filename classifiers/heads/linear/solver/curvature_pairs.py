"""Curvature pairs of L-BFGS, applied as matrices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from .solver_options import F64

# A step and a change of the gradient that are nearly orthogonal carry no curvature.
LEAST_COSINE = 1e-10


class CurvaturePairs:
    """The last steps ``s`` and changes of the gradient ``y``, oldest first, up to ``capacity``.

    `apply` computes the two loops of L-BFGS (Nocedal & Wright, *Numerical Optimization*, alg. 7.4)
    as matrices: each loop is a triangular system in the products ``s_i · y_j``, and the long
    vectors take part in four matrix-vector products only.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._count = 0
        self._steps: F64 = np.empty((0, 0))
        self._changes: F64 = np.empty((0, 0))
        self._products: F64 = np.empty((0, 0))

    def __len__(self) -> int:
        return self._count

    def clear(self) -> None:
        """Forget all pairs."""
        self._count = 0

    def add(self, step: F64, change: F64) -> None:
        """Keep a pair of positive curvature; it replaces the oldest where there is no room."""
        s, y = step.ravel(), change.ravel()
        product = float(s @ y)
        if product <= LEAST_COSINE * float(np.linalg.norm(s) * np.linalg.norm(y)):
            return
        self._make_room(len(s))
        new, kept = self._count, slice(self._count)
        self._products[kept, new] = self._steps[kept] @ y
        self._products[new, new] = product
        self._steps[new], self._changes[new] = s, y
        self._count += 1

    def apply(self, gradient: F64, precondition: Callable[[F64], F64]) -> F64:
        """Multiply by the inverse Hessian that ``precondition`` and the pairs make."""
        if not self._count:
            return precondition(gradient)
        kept = slice(self._count)
        steps, changes = self._steps[kept], self._changes[kept]
        upper = self._products[kept, kept]
        alpha = solve_triangular(upper, steps @ gradient.ravel(), check_finite=False)
        start = precondition(gradient - (alpha @ changes).reshape(gradient.shape))
        right = upper.diagonal() * alpha - changes @ start.ravel()
        weights = solve_triangular(upper, right, trans=1, check_finite=False)
        return np.asarray(start + (weights @ steps).reshape(gradient.shape))

    def _make_room(self, size: int) -> None:
        n_rows = len(self._steps)
        if self._count < n_rows:
            return
        if n_rows == self._capacity:
            for array in (self._steps, self._changes):
                array[:-1] = array[1:]
            self._products[:-1, :-1] = self._products[1:, 1:]
            self._count -= 1
            return
        room = min(max(8, 2 * n_rows), self._capacity)
        self._steps, self._changes = (
            _grown(self._steps, (room, size)),
            _grown(self._changes, (room, size)),
        )
        self._products = _grown(self._products, (room, room))


def _grown(array: F64, shape: tuple[int, int]) -> F64:
    grown: NDArray[np.float64] = np.zeros(shape)
    grown[: array.shape[0], : array.shape[1]] = array
    return grown
