"""Validation of what callers hand to the solver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .solver_options import F32, F64, Ints, LossName

FLOATS = (np.float16, np.float32, np.float64)


def check_features(X: ArrayLike) -> NDArray[Any]:
    """Return X as a two-dimensional float array, memory maps and float16 untouched.

    A matrix that reads its rows as it is sliced (it has ``blocks``, as ``FeatureSet.X``) stays one.
    """
    is_matrix = isinstance(X, np.ndarray) or hasattr(X, "blocks")
    array: NDArray[Any] = X if is_matrix else np.asarray(X)  # type: ignore[assignment]
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"X must be a non-empty array (n_samples, n_features), got {array.shape}")
    if array.dtype not in FLOATS:
        if array.dtype.kind not in "biu":
            raise ValueError(f"X must hold real numbers, got dtype {array.dtype}")
        return array.astype(np.float32)
    return array


def check_finite(X: NDArray[Any], block_rows: int) -> None:
    """Refuse NaN and infinity, naming the first row and column."""
    for start in range(0, len(X), block_rows):
        block = X[start : start + block_rows].astype(np.float32, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):
            total = block.sum(dtype=np.float64)
        if not np.isfinite(total):
            bad = np.argwhere(~np.isfinite(block))
            if len(bad):
                row, column = bad[0]
                raise ValueError(
                    f"X holds NaN or infinity (or overflows float32), first at row "
                    f"{start + row}, column {column}; drop or impute such samples"
                )


def check_labels(y: ArrayLike, n_samples: int) -> tuple[NDArray[Any], Ints]:
    """Return the sorted classes and each sample's class number."""
    labels = np.asarray(y)
    if labels.shape != (n_samples,):
        raise ValueError(f"y must have shape ({n_samples},) to go with X, got {labels.shape}")
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"y holds one class only ({classes[0]!r}); a classifier needs two or more")
    return classes, codes.astype(np.int64)


def check_grid(C: float | Sequence[float] | NDArray[Any]) -> F64:
    """Return the grid as float64 ``(n_C,)``."""
    grid = np.atleast_1d(np.asarray(C, dtype=np.float64))
    if grid.ndim != 1 or not len(grid):
        raise ValueError(f"C must be a number or a non-empty list of numbers, got {C!r}")
    if not (np.isfinite(grid).all() and (grid > 0).all()):
        raise ValueError(f"every C must be a finite number greater than 0, got {grid.tolist()}")
    return grid


def check_loss(loss: str) -> LossName:
    """Return a known loss name."""
    for name in get_args(LossName):
        if loss == name:
            return name  # type: ignore[no-any-return]
    raise ValueError(f"loss must be one of {', '.join(get_args(LossName))}; got {loss!r}")


def check_weights(weights: ArrayLike | None, codes: Ints) -> F32 | None:
    """Return weights ``(n_folds, n_samples)``; every class needs some weight in every fold."""
    if weights is None:
        return None
    array = np.atleast_2d(np.asarray(weights, dtype=np.float32))
    if array.ndim != 2 or array.shape[1] != len(codes):
        raise ValueError(
            f"sample_weight must have shape ({len(codes)},) or (n_folds, {len(codes)}), "
            f"got {np.shape(weights)}"
        )
    if not np.isfinite(array).all() or (array < 0).any():
        raise ValueError("sample_weight must be finite and not negative")
    for fold, row in enumerate(array):
        totals = np.bincount(codes, weights=row)
        if (totals <= 0).any():
            missing = int(np.argmin(totals))
            raise ValueError(
                f"class number {missing} has no sample with a positive weight in fold {fold}"
            )
    return array


def check_vector(values: ArrayLike | None, n_features: int, name: str) -> F32:
    """Return ``center`` or ``scale`` as float32 ``(n_features,)``.

    A zero scale becomes infinite, which leaves the feature out.
    """
    if values is None:
        return np.full(n_features, 0 if name == "center" else 1, dtype=np.float32)
    vector = np.array(values, dtype=np.float32)
    if vector.shape != (n_features,) or not np.isfinite(vector).all():
        raise ValueError(f"{name} must hold {n_features} finite numbers, got {vector.shape}")
    if name == "scale":
        if (vector < 0).any():
            raise ValueError("scale must not be negative")
        vector[vector == 0] = np.inf
    return vector
