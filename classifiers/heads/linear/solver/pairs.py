"""Curvature pairs of L-BFGS, applied as matrices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from .solver_options import F64

# A move and a change nearly at right angles say nothing of curvature.
LEAST_COSINE = 1e-10


class CurvaturePairs:
    """The last moves ``s`` and changes of the gradient ``y``, oldest first, up to ``capacity``.

    `apply` gives what the two loops of L-BFGS give (Nocedal & Wright, *Numerical Optimization*,
    alg. 7.4). Written out, the loops solve one triangular system each, with the products
    ``s_i · y_j``, so that the long vectors meet in four matrix-vector products.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._count = 0
        self._moves: F64 = np.empty((0, 0))
        self._changes: F64 = np.empty((0, 0))
        self._products: F64 = np.empty((0, 0))

    def __len__(self) -> int:
        return self._count

    def clear(self) -> None:
        """Forget all pairs."""
        self._count = 0

    def add(self, move: F64, change: F64) -> None:
        """Keep a pair of positive curvature, in the oldest one's place if need be."""
        s, y = move.ravel(), change.ravel()
        product = float(s @ y)
        if product <= LEAST_COSINE * float(np.linalg.norm(s) * np.linalg.norm(y)):
            return
        self._make_room(len(s))
        new, known = self._count, slice(self._count)
        self._products[known, new] = self._moves[known] @ y
        self._products[new, new] = product
        self._moves[new], self._changes[new] = s, y
        self._count += 1

    def apply(self, gradient: F64, precondition: Callable[[F64], F64]) -> F64:
        """Multiply by the inverse Hessian that ``precondition`` and the pairs make."""
        if not self._count:
            return precondition(gradient)
        known = slice(self._count)
        moves, changes = self._moves[known], self._changes[known]
        upper = self._products[known, known]
        alpha = solve_triangular(upper, moves @ gradient.ravel(), check_finite=False)
        start = precondition(gradient - (alpha @ changes).reshape(gradient.shape))
        right = upper.diagonal() * alpha - changes @ start.ravel()
        weights = solve_triangular(upper, right, trans=1, check_finite=False)
        return np.asarray(start + (weights @ moves).reshape(gradient.shape))

    def _make_room(self, size: int) -> None:
        held = len(self._moves)
        if self._count < held:
            return
        if held == self._capacity:
            for array in (self._moves, self._changes):
                array[:-1] = array[1:]
            self._products[:-1, :-1] = self._products[1:, 1:]
            self._count -= 1
            return
        room = min(max(8, 2 * held), self._capacity)
        self._moves, self._changes = (
            _grown(self._moves, (room, size)),
            _grown(self._changes, (room, size)),
        )
        self._products = _grown(self._products, (room, room))


def _grown(array: F64, shape: tuple[int, int]) -> F64:
    grown: NDArray[np.float64] = np.zeros(shape)
    grown[: array.shape[0], : array.shape[1]] = array
    return grown
