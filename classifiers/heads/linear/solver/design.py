"""Passes over the feature matrix: in row blocks, in threads, always in the same order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...matmul.workers import Workers
from .solver_options import F32, F64

RowBlock = Callable[[F32, slice], tuple[NDArray[Any], ...]]

# At most so many ranges of at least so many rows: they depend on X alone, so that sums are added in
# one order whatever number of threads works on them.
N_RANGES = 16
RANGE_ROWS = 256
# Logits of one block of rows stay in a core's cache.
BLOCK_LOGITS = 1 << 18
LEAST_BLOCK_ROWS = 128


@dataclass(frozen=True)
class Design:
    """``(X - center) / scale``, which is never an array: the coefficients take both vectors in.

    Attributes
    ----------
    X : float16, float32 or float64 (n_samples, n_features)
        May be an ``np.memmap``; blocks are converted to float32 as they are read.
    center, scale : float32 (n_features,)
    workers : Workers
    block_rows : int
    """

    X: NDArray[Any]
    center: F32
    scale: F32
    workers: Workers
    block_rows: int

    @property
    def n_samples(self) -> int:
        """Rows of X."""
        return int(self.X.shape[0])

    @property
    def n_features(self) -> int:
        """Columns of X."""
        return int(self.X.shape[1])

    @cached_property
    def is_scaled(self) -> bool:
        """Whether centre and scale change anything."""
        return bool(self.center.any() or (self.scale != 1).any())

    def raw(self, rows: slice | NDArray[np.intp]) -> F32:
        """Rows of X as float32, neither centred nor scaled; a view where that is possible."""
        return np.ascontiguousarray(self.X[rows], dtype=np.float32)

    def rows(self, rows: slice | NDArray[np.intp]) -> F32:
        """A float32 copy of rows of ``(X - center) / scale``."""
        out = np.array(self.X[rows], dtype=np.float32, order="C")
        if self.is_scaled:
            out -= self.center
            out /= self.scale
        return out

    def fold_in(self, theta: F64) -> tuple[F32, F32]:
        """Turn ``(m, n_features + 1)`` coefficients into weights and offsets for raw rows."""
        weights = theta[:, :-1] / self.scale
        offsets = theta[:, -1] - weights @ self.center.astype(np.float64)
        return weights.astype(np.float32), offsets.astype(np.float32)[:, None]

    def fold_out(self, products: F64, sums: F64) -> F64:
        """Turn ``residuals @ raw X`` and the residuals' sums into gradients ``(m, d + 1)``."""
        gradient = (products - sums[:, None] * self.center) / self.scale
        return np.concatenate([gradient, sums[:, None]], axis=1)

    def sum_blocks(self, work: RowBlock, n_columns: int) -> list[NDArray[Any]]:
        """Sum, in float64, what ``work`` returns for each block of raw rows.

        ``n_columns`` is the number of logits that it makes of a row.
        """
        n_rows = min(self.block_rows, max(BLOCK_LOGITS // n_columns, LEAST_BLOCK_ROWS))
        ranges = spans(self.n_samples, N_RANGES, RANGE_ROWS)
        parts = self.workers.map(lambda span: self._sum_range(work, span, n_rows), ranges)
        totals, *others = parts
        for part in others:
            for total, value in zip(totals, part, strict=True):
                total += value
        return totals

    def _sum_range(self, work: RowBlock, span: slice, n_rows: int) -> list[NDArray[Any]]:
        totals: list[NDArray[Any]] = []
        for start in range(span.start, span.stop, n_rows):
            block = slice(start, min(start + n_rows, span.stop))
            values = work(self.raw(block), block)
            if totals:
                for total, value in zip(totals, values, strict=True):
                    total += value
            else:
                totals = [np.array(value, dtype=np.float64) for value in values]
        return totals


def sample_rows(n: int, most: int, random_state: int) -> NDArray[np.intp]:
    """Draw at most ``most`` of ``n`` rows, in ascending order."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(random_state).choice(n, most, replace=False))


def spans(n: int, parts: int, length: int = 1) -> list[slice]:
    """Cut ``range(n)`` into at most ``parts`` spans of nearly equal length, none empty.

    They are as few as hold ``length`` numbers each, where that is fewer.
    """
    edges = np.linspace(0, n, min(parts, -(-n // length)) + 1).astype(int).tolist()
    return [slice(a, b) for a, b in pairwise(edges)]
