"""What a caller may ask of the solver, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

LossName = Literal["logistic", "squared_hinge"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class SolverOptions:
    """How hard and with which means a path is solved; every default fits ordinary use.

    Attributes
    ----------
    tol : float > 0, or tuple of float
        For all folds, or for each. A grid point has converged once its predicted remaining
        decrease of the objective, ``½ gᵀ M g`` under the current inverse-Hessian model ``M``
        (half the squared Newton decrement, Boyd & Vandenberghe, *Convex Optimization*, 9.5.1),
        is at most ``tol · objective``. It is thus about a relative error of the objective: as
        ``M`` only approximates, the true one may be 20 times as large for the largest C.
    max_iter : int >= 1
        Most passes over X that one grid point may take part in.
    fit_intercept : bool
        Fit an unpenalised intercept.
    memory_pairs : int >= 1
        Curvature pairs that L-BFGS keeps for each grid point.
    block_rows : int >= 1
        Rows of X that are in work at once in each thread.
    hessian_rows : int >= 1 or None
        Most rows that weighted Gram blocks are built from; more are thinned by importance. None:
        40,000 for the logistic loss, 20,000 for the squared hinge.
    hessian_rank : int >= 1 or None
        Leading eigen-directions of the features' covariance in which the blocks are dense; in
        the others they are diagonal. None: 200 for the logistic loss, 400 for the squared hinge.
    max_block_bytes : int >= 0
        Most memory for the Hessian blocks of one grid point, above which the shared Gram matrix
        alone preconditions, and for the rows that blocks are built from.
    max_fast_bytes : int >= 0
        Most memory for a bfloat16 copy of X (4 bytes a number, for both products) where the
        processor multiplies that format faster; above it, all products are in float32.
    n_threads : int or None
        Worker threads; None asks BLAS how many it would use.
    random_state : int
        Seed of the thinning draw. The same input gives the same bits on the same machine.
    """

    tol: float | tuple[float, ...] = 1e-6
    max_iter: int = 1000
    fit_intercept: bool = True
    memory_pairs: int = 60
    block_rows: int = 1024
    hessian_rows: int | None = None
    hessian_rank: int | None = None
    max_block_bytes: int = 1 << 30
    max_fast_bytes: int = 1 << 32
    n_threads: int | None = None
    random_state: int = 0

    def __post_init__(self) -> None:
        """Refuse values that no solve could use."""
        if not all(tol > 0 for tol in np.atleast_1d(self.tol)):
            raise ValueError(f"tol must be greater than 0, got {self.tol!r}")
        for name in ("max_iter", "memory_pairs", "block_rows"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}")
        for name in ("hessian_rows", "hessian_rank", "n_threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1 or None, got {value!r}")

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
        Passes over X that the grid point took part in (squared hinge: the slowest class).
    objective : float64 (n_C,)
        ``C · Σ s_i loss_i + ½ ‖W‖²``.
    gradient_norm : float64 (n_C,)
        Euclidean norm of the objective's gradient, intercepts included.
    converged : bool (n_C,)
        The tolerance was met, or the objective stopped changing in float32 with at most 1e-5 of
        it left to gain. False where ``max_iter`` ran out, and where sample weights are so uneven
        that rounding in float32 hides more than that.
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
