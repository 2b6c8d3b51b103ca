"""StackedMatrix: the rows of several matrices one below the other, read when they are indexed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .feature_matrix import BLOCK_ROWS, FeatureMatrix


class StackedMatrix:
    """The rows of several matrices of one width and number format, those of the first one first.

    Parameters
    ----------
    matrices : sequence of FeatureMatrix
        At least one.
    """

    ndim = 2

    def __init__(self, matrices: Sequence[FeatureMatrix]) -> None:
        self.matrices = tuple(matrices)
        self._starts = np.cumsum([0, *map(len, self.matrices)])

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_rows, n_features)``."""
        return len(self), self.matrices[0].shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Number format of the stored rows."""
        return self.matrices[0].dtype

    @property
    def widths(self) -> tuple[int, ...]:
        """Number of columns of each set that stands in a row."""
        return self.matrices[0].widths

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        """Return the rows of a slice, of a mask or of numbers from 0 on."""
        if isinstance(rows, slice):
            index = np.arange(*rows.indices(len(self)))
        else:
            index = np.asarray(rows)
            index = np.flatnonzero(index) if index.dtype == bool else index
        owners = np.searchsorted(self._starts, index, "right") - 1
        X = np.empty((len(index), self.shape[1]), self.dtype)
        for owner in np.unique(owners).tolist():
            of_owner = np.flatnonzero(owners == owner)
            X[of_owner] = self.matrices[owner][index[of_owner] - self._starts[owner]]
        return X

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)

    def blocks(self, n_rows: int = BLOCK_ROWS) -> Iterator[NDArray[Any]]:
        """Iterate over the rows in blocks of at most ``n_rows``, in order."""
        for matrix in self.matrices:
            yield from matrix.blocks(n_rows)
