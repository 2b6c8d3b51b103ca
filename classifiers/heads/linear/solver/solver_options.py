"""What callers hand to the solver, checked, and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

LossName = Literal["logistic", "squared_hinge"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Ints = NDArray[np.int64]
FLOATS = (np.float16, np.float32, np.float64)


@dataclass(frozen=True)
class SolverOptions:
    """Tolerance, limits and memory of a path.

    Attributes
    ----------
    tol : float > 0, or tuple of float
        For all folds, or for each. A grid point has converged once its objective is estimated to be
        at most ``tol · C · Σ s_i`` above the minimum. The estimate may be too small on a few rows:
        tests hold the gap to tight solutions within twice that. So ``2 · tol`` bounds the mean
        Kullback–Leibler divergence, in nats, of the training samples' predicted probabilities from
        those of the optimum: the divergences are the loss's Bregman distances, and those sum up to
        at most the gap of the objective. Half the L1 distance of the probabilities is at most
        ``sqrt(tol)`` in the mean (Pinsker's inequality): 0.007 for 5e-5. Of the squared hinge,
        ``2 · tol`` bounds the mean square of what decision values inside the margin are off.
    max_iter : int >= 1
        Most passes over X that one grid point may take part in.
    memory_pairs : int >= 1
        Curvature pairs that L-BFGS keeps for each fold; fewer where they would take more than
        256 MB.
    block_rows : int >= 1
        Rows of X that a thread computes at a time.
    max_fast_bytes : int >= 0
        Most memory for a bfloat16 copy of X (4 bytes a number, for both products) where the
        processor multiplies that format faster; above it, all products are in float32.
    n_threads : int or None
        Worker threads; None asks BLAS how many it would use.
    random_state : int
        Seed of the thinning draw. The same input gives the same bits on the same machine.
    """

    tol: float | tuple[float, ...] = 5e-5
    max_iter: int = 1000
    memory_pairs: int = 40
    block_rows: int = 1024
    max_fast_bytes: int = 1 << 32
    n_threads: int | None = None
    random_state: int = 0

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        if not all(tol > 0 for tol in np.atleast_1d(self.tol)):
            raise ValueError(f"tol must be greater than 0, got {self.tol!r}")
        for name in ("max_iter", "memory_pairs", "block_rows"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}")
        if self.n_threads is not None and self.n_threads < 1:
            raise ValueError(f"n_threads must be at least 1 or None, got {self.n_threads!r}")

    def tolerances(self, n_folds: int) -> tuple[float, ...]:
        """Return the tolerance of each fold.

        Raises
        ------
        ValueError
            Their number is not that of the folds.
        """
        if not isinstance(self.tol, tuple):
            return (self.tol,) * n_folds
        if len(self.tol) != n_folds:
            raise ValueError(f"tol holds {len(self.tol)} numbers for {n_folds} folds")
        return self.tol


@dataclass(frozen=True)
class PathResult:
    """The optima of one path; with folds, every array after ``classes`` gains a leading axis.

    Attributes
    ----------
    C : float64 (n_C,)
        The grid in the caller's order.
    classes : (n_classes,)
        Sorted distinct labels.
    coef : float64 (n_C, n_outputs, n_features)
        ``n_outputs`` is the number of classes, and 1 for two classes: one vector, positive for
        ``classes[1]``, the optimum that scikit-learn reaches for binary labels. Coefficients
        belong to ``(X - center) / scale`` where these were given, else to X.
    intercept : float64 (n_C, n_outputs)
    n_iter : int64 (n_C,)
        Passes over X for this grid point, those of helper points just before it included.
    objective : float64 (n_C,)
        ``C · Σ s_i loss_i + ½ ‖W‖²``.
    gradient_norm : float64 (n_C,)
        Euclidean norm of the objective's gradient, intercepts included.
    converged : bool (n_C,)
        The tolerance was met, or the objective stopped changing in float32 with at most 5e-5 of
        ``C · Σ s_i`` left to gain. False where ``max_iter`` ran out, and where sample weights
        are so uneven that rounding in float32 hides more than 1e-5 of the objective.
    n_passes : int
        Passes over X for the whole path.
    """

    C: F64
    classes: NDArray[np.generic]
    coef: F64
    intercept: F64
    n_iter: Ints
    objective: F64
    gradient_norm: F64
    converged: NDArray[np.bool_]
    n_passes: int


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
