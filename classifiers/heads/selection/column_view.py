"""Some columns of a matrix, read as rows are indexed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..row_blocks import Ints, MatrixView, free_bytes, is_lazy


class ColumnView(MatrixView):
    """Some columns of a matrix that is not copied.

    Parameters
    ----------
    matrix : matrix, shape (n_samples, n_features)
    columns : ndarray of int64, shape (n_columns,)
    """

    def __init__(self, matrix: Any, columns: Ints) -> None:
        self._matrix, self._columns = matrix, columns
        self.working_bytes = free_bytes(matrix)
        self.shape = (int(matrix.shape[0]), len(columns))
        self.dtype = np.dtype(matrix.dtype)

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        taken: NDArray[Any] = np.asarray(self._matrix[rows])[..., self._columns]
        return taken


def columns_of(X: Any, columns: Ints) -> Any:
    """Return some columns of ``X``: a copy of what is in memory, else a view."""
    return ColumnView(X, columns) if is_lazy(X) else np.take(X, columns, axis=1)


def remaining_widths(widths: tuple[int, ...], columns: Ints) -> tuple[int, ...]:
    """Return how many of ``columns`` each set has that stands side by side, without zeros."""
    edges = np.cumsum(widths)
    counts = np.bincount(np.searchsorted(edges, columns, side="right"), minlength=len(widths))
    return tuple(int(count) for count in counts if count) if widths else ()
