"""Curvature pairs of L-BFGS, applied as matrices, and carried along a path of C."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from ...matmul.workers import CallingThread, Mapper
from .design import spans
from .solver_options import F32, F64

# A step and a change of the gradient that are nearly orthogonal carry no curvature.
LEAST_COSINE = 1e-10
# Long vectors are cut into at most so many parts of at least so many numbers. Their products are
# added up, so the cuts depend on the length alone.
PARTS, PART_LENGTH = 4, 1 << 15


class CurvaturePairs:
    """The last steps ``s`` and changes of the gradient ``y``, oldest first, up to ``capacity``.

    Parameters
    ----------
    capacity : int
    shape : tuple (k, d + 1)
        Of the coefficients; the last column holds the intercepts.
    workers : Mapper, optional
        By default, all is done in the calling thread.

    Notes
    -----
    `apply` computes the two loops of L-BFGS (Nocedal & Wright, *Numerical Optimization*, alg. 7.4)
    as matrices: each loop is a triangular system in the products ``s_i · y_j``, and the long
    vectors take part in four matrix-vector products only.

    A change is ``C`` times that of the data term, plus the step without intercepts. So the pairs of
    one C turn into those of another without a pass over X, see `rescale`.
    """

    def __init__(
        self, capacity: int, shape: tuple[int, int], workers: Mapper | None = None
    ) -> None:
        self._shape, size = shape, shape[0] * shape[1]
        self._parts = spans(size, PARTS, PART_LENGTH)
        is_whole = len(self._parts) == 1
        self._workers: Mapper = CallingThread() if workers is None or is_whole else workers
        # Rows of the pairs in the arrays, oldest first.
        self._order: list[int] = []
        self._steps: F32 = np.empty((capacity, size), np.float32)
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
        self._products[rows, row] = self._dot(self._steps[rows], self._changes[row])
        self._products[row, row] = product
        self._order.append(row)

    def rescale(self, ratio: float) -> None:
        """Turn the pairs of one C into those of ``ratio`` times that C."""
        if not self:
            return
        rows = self._rows
        width = self._shape[1]

        def turn(part: slice) -> F32:
            steps, changes = self._steps[rows, part], self._changes[rows, part]
            is_penalised = np.arange(part.start, part.stop) % width != width - 1
            changes *= np.float32(ratio)
            changes += steps * (np.float32(1 - ratio) * is_penalised.astype(np.float32))
            return np.asarray(steps @ changes.T)

        self._products[rows, rows] = self._sum(turn)
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
        alpha = solve_triangular(upper, self._dot(steps, gradient)[order], check_finite=False)
        rest = gradient - self._combine(alpha, changes).reshape(gradient.shape)
        change = changes[newest].reshape(gradient.shape).astype(np.float64)
        scale = upper[-1, -1] / float(np.vdot(change, precondition(change)))
        start = scale * precondition(rest)
        right = upper.diagonal() * alpha - self._dot(changes, start)[order]
        weights = solve_triangular(upper, right, trans=1, check_finite=False)
        step = self._combine(weights, steps).reshape(gradient.shape)
        return np.asarray(start + step)

    @property
    def _rows(self) -> slice:
        """The first rows of the arrays, up to the last that holds a pair."""
        return slice(max(self._order, default=-1) + 1)

    def _sum(self, function: Callable[[slice], NDArray[Any]]) -> NDArray[Any]:
        """Add up what ``function`` returns for each part of the long vectors."""
        return np.asarray(np.sum(self._workers.map(function, self._parts), axis=0))

    def _dot(self, rows: F32, vector: NDArray[Any]) -> F64:
        """Multiply rows by a vector; scaled, as gradients may exceed float32."""
        size, flat = float(np.abs(vector).max()) or 1.0, vector.ravel()

        def multiply(part: slice) -> F32:
            return np.asarray(rows[:, part] @ (flat[part] / size).astype(np.float32))

        return self._sum(multiply).astype(np.float64) * size

    def _combine(self, weights: F64, rows: F32) -> F64:
        """Add up the pairs' rows, each times its weight; weights are those of the oldest first."""
        by_row = np.zeros(len(rows))
        by_row[self._order] = weights
        size = float(np.abs(by_row).max()) or 1.0
        scaled = (by_row / size).astype(np.float32)
        result = np.empty(rows.shape[1])

        def fill(part: slice) -> None:
            result[part] = scaled @ rows[:, part]
            result[part] *= size

        self._workers.map(fill, self._parts)
        return result
