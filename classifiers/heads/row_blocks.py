"""Matrices read in blocks of rows, so that memory stays bounded whatever their length."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import FeatureMismatchError, TrainingDataError

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]

BLOCK_BYTES = 1 << 25
COPY_BYTES = 1 << 28
WORKING_BYTES = 1 << 30
# Shares of the working memory that one copy or one block of rows may take.
COPY_SHARE = 16
BLOCK_SHARE = 32


def is_lazy(X: Any) -> bool:
    """Say whether ``X`` is a matrix that reads its rows as it is sliced, as ``FeatureSet.X``."""
    return hasattr(X, "blocks") and hasattr(X, "dtype") and len(getattr(X, "shape", ())) == 2


class MatrixView(ABC):
    """A matrix that reads rows of another one as it is indexed; subclasses set shape and dtype."""

    ndim = 2
    shape: tuple[int, int]
    dtype: np.dtype[Any]

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def __getitem__(self, rows: Any) -> NDArray[Any]:
        """Return some rows."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)

    def blocks(self, n_rows: int = 4096) -> Iterator[NDArray[Any]]:
        """Iterate over the rows in blocks of at most ``n_rows``."""
        for rows in row_slices(len(self), n_rows):
            yield self[rows]


class RowView(MatrixView):
    """Some rows of a matrix that is too large to copy, read when they are indexed.

    Parameters
    ----------
    matrix : matrix, shape (n, n_features)
    rows : ndarray of int64, shape (n_samples,)
    working_bytes : int, optional
        Memory that training from it may take; that of ``matrix`` if not given.
    """

    def __init__(self, matrix: Any, rows: Ints, working_bytes: int | None = None) -> None:
        self._matrix = matrix
        self._rows = rows
        self.working_bytes = working_bytes or free_bytes(matrix)
        self.shape = (len(rows), int(matrix.shape[1]))
        self.dtype = np.dtype(matrix.dtype)

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        taken: NDArray[Any] = np.asarray(self._matrix[self._rows[rows]])
        return taken


def free_bytes(X: Any) -> int:
    """Return how much memory training from a matrix on disk may take."""
    return int(getattr(X, "working_bytes", WORKING_BYTES))


def _block_bytes(X: Any) -> int:
    return min(BLOCK_BYTES, free_bytes(X) // BLOCK_SHARE) if is_lazy(X) else BLOCK_BYTES


def take_rows(X: Any, rows: Ints) -> Any:
    """Return some rows: a copy where it is small, else a view."""
    limit = min(COPY_BYTES, free_bytes(X) // COPY_SHARE) if is_lazy(X) else COPY_BYTES
    if len(rows) * X.shape[1] * X.dtype.itemsize <= limit:
        return X[rows]
    return RowView(X, rows)


def compute_dtype(*dtypes: Any) -> np.dtype[Any]:
    """Return the format to compute in: float64 if one of ``dtypes`` is wider than float32."""
    return np.result_type(np.float32, *dtypes)


def block_rows(width: int, itemsize: int = 4, n_bytes: int = BLOCK_BYTES) -> int:
    """Return how many rows of ``width`` numbers fit into ``n_bytes``, at least one."""
    return max(1, n_bytes // (itemsize * max(width, 1)))


def row_slices(n_rows: int, step: int) -> Iterator[slice]:
    """Iterate over the slices of at most ``step`` rows that cover ``n_rows``."""
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def iter_blocks(
    X: Any, dtype: np.dtype[Any], width: int | None = None
) -> Iterator[tuple[slice, Floats]]:
    """Iterate over ``X`` in blocks of rows, converted to ``dtype``.

    Parameters
    ----------
    X : matrix, shape (n_samples, n_features)
    dtype : dtype
        What the blocks are converted to; a block may share memory with ``X``.
    width : int, optional
        Numbers per row of the widest temporary array that the caller makes.

    Yields
    ------
    rows : slice
    block : ndarray, shape (n_rows, n_features)
    """
    n_rows, n_features = X.shape
    step = block_rows(max(n_features, width or 0), dtype.itemsize, _block_bytes(X))
    for rows in row_slices(n_rows, step):
        yield rows, np.asarray(X[rows], dtype)


def check_finite(X: Any) -> None:
    """Check block by block that ``X`` holds numbers only.

    Raises
    ------
    TrainingDataError
        A value is NaN or infinite; the message names its row and column.
    """
    step = block_rows(X.shape[1], 8, _block_bytes(X))
    for rows in row_slices(X.shape[0], step):
        block = np.asarray(X[rows])
        if block.dtype.kind == "f" and not all_finite(block):
            row, column = (int(i[0]) for i in np.nonzero(~np.isfinite(block)))
            what = "NaN" if np.isnan(block[row, column]) else "infinity (inf)"
            raise TrainingDataError(
                f"Input X contains {what}, first in row {rows.start + row}, column {column}. "
                "Extract that image's features again, or leave the row out."
            )


def all_finite(block: NDArray[Any]) -> bool:
    """Say whether every number of ``block`` is finite."""
    if block.dtype.itemsize < 4:
        return bool(np.isfinite(block).all())
    with np.errstate(over="ignore", invalid="ignore"):
        total = block.sum()
    return bool(np.isfinite(total)) or bool(np.isfinite(block).all())


def check_probabilities(result: Floats) -> None:
    """Raise FeatureMismatchError where features were so large that a result is not finite."""
    if not np.isfinite(result).all():
        row = int(np.nonzero(~np.isfinite(result))[0][0])
        raise FeatureMismatchError(
            f"the features of row {row} are so large that this head's arithmetic "
            "overflows: they are not of the kind that it was trained on"
        )


def check_block(block: Floats, start: int) -> None:
    """Raise FeatureMismatchError where a block that begins at row ``start`` holds NaN."""
    if not np.isfinite(block).all():
        row = start + int(np.nonzero(~np.isfinite(block))[0][0])
        raise FeatureMismatchError(
            f"Input X contains NaN or infinity (inf), first in row {row}: extract it again"
        )
