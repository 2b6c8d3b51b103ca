"""`solve_path`: a whole grid of C values in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...matmul.bf16_matmul import Bf16Product
from ...row_blocks import check_finite
from .design import Design, Workers
from .losses import Loss, Sigmoid, Softmax, SquaredHinge, Targets
from .packed_rows import pack_rows
from .preconditioner import GramSpectrum
from .problem import Problem, similar_folds
from .schedule import FIRST_STRENGTH, Chain, Schedule, extended_grid
from .solver_options import (
    F32,
    F64,
    LossName,
    PathResult,
    SolverOptions,
    check_features,
    check_grid,
    check_labels,
    check_loss,
    check_vector,
    check_weights,
)
from .subproblem import SubproblemSolution

GRAM_ROWS_PER_FEATURE = 24


@dataclass(frozen=True)
class Scaling:
    """Means and standard deviations to apply without copying X, ``(n_features,)`` each.

    A feature with a scale of zero, which is a constant one, is left out: its coefficient is 0.
    """

    center: ArrayLike | None = None
    scale: ArrayLike | None = None


@dataclass(frozen=True)
class RowSpace:
    """Rows ``Z = X B`` in an orthonormal basis ``B (d, r)`` of the row space of X.

    It replaces X where there are fewer rows than features. The optimum has no component outside the
    row space (the representer theorem, Kimeldorf & Wahba 1971), and ``‖B v‖ = ‖v‖``, so both
    problems have the same optimum.
    """

    rows: F32
    basis: F64

    @classmethod
    def of(cls, design: Design) -> RowSpace:
        """Factor ``X Xᵀ`` in float64, which takes ``8 n (n + 2 d)`` bytes."""
        x = design.rows(slice(None)).astype(np.float64)
        values, vectors = np.linalg.eigh(x @ x.T)
        keep = values > max(values[-1], 0) * len(x) * np.finfo(np.float64).eps
        if not keep.any():
            return cls(np.zeros((len(x), 1), np.float32), np.zeros((x.shape[1], 1)))
        roots = np.sqrt(values[keep])
        rows = (vectors[:, keep] * roots).astype(np.float32)
        return cls(rows, x.T @ (vectors[:, keep] / roots))

    def expand(self, coef: NDArray[Any]) -> F64:
        """Take coefficients ``(..., r)`` back to features ``(..., d)``."""
        return np.asarray(coef @ self.basis.T)


def solve_path(
    X: ArrayLike,
    y: ArrayLike,
    C: float | Sequence[float] | NDArray[Any],
    loss: str = "logistic",
    sample_weight: ArrayLike | None = None,
    *,
    scaling: Scaling | None = None,
    options: SolverOptions | None = None,
) -> PathResult:
    """Minimise ``C · Σ s_i loss_i + ½ ‖W‖²`` for every C of a grid, in one batch.

    Parameters
    ----------
    X : float16, float32 or float64 (n_samples, n_features)
        May be a memory map: it is read in blocks. It is copied whole where there are fewer samples
        than features (see `RowSpace`), and in bfloat16 within ``options.max_fast_bytes``. Beside
        that, memory is mostly ``options.max_block_bytes`` for each grid point in work.
    y : (n_samples,)
        Labels of at least two classes.
    C : float or list of float, > 0
        Inverse regularisation strengths, in any order.
    loss : {"logistic", "squared_hinge"}
        ``logistic`` is multinomial over all classes (a single sigmoid for two classes);
        ``squared_hinge`` is one against the rest. Intercepts are not penalised.
    sample_weight : (n_samples,) or (n_folds, n_samples), optional
        Several rows are folds: they share every pass over X, and the result's arrays gain a
        leading fold axis. Zero weights leave samples out.
    scaling : Scaling, optional
        Solve on ``(X - center) / scale`` without making it.
    options : SolverOptions, optional

    Returns
    -------
    PathResult

    Raises
    ------
    ValueError
        NaN or infinity in X, one class only, a C that is not positive, a class without weight in
        a fold, or shapes that do not go together.

    Notes
    -----
    Grid points join the batch in ascending order as soon as the one before is roughly solved,
    starting from an extrapolation of the path. Each iterates L-BFGS, preconditioned for small C by
    the Gram matrix, and for larger C by blocks of its own Hessian on importance-sampled rows.
    """
    features = check_features(X)
    classes, codes = check_labels(y, len(features))
    grid, name = check_grid(C), check_loss(loss)
    check_finite(features)
    targets = Targets(codes, check_weights(sample_weight, codes), len(classes))
    result = solve_checked(
        features,
        targets,
        grid,
        name,
        scaling=scaling or Scaling(),
        options=options or SolverOptions(),
    )
    has_folds = sample_weight is not None and np.ndim(sample_weight) == 2
    return replace(result if has_folds else _first_fold(result), classes=classes)


def solve_checked(
    features: NDArray[Any],
    targets: Targets,
    grid: F64,
    loss: LossName,
    *,
    scaling: Scaling,
    options: SolverOptions,
) -> PathResult:
    """Do what `solve_path` does with data that its caller has checked; folds stay an axis."""
    with Workers(options.n_threads) as workers:
        design = _scaled_design(features, scaling, workers, options)
        return _solve(design, targets, grid, loss, options)


def _scaled_design(
    features: NDArray[Any], scaling: Scaling, workers: Workers, options: SolverOptions
) -> Design:
    n_features = features.shape[1]
    center = check_vector(scaling.center, n_features, "center")
    scale = check_vector(scaling.scale, n_features, "scale")
    return Design(features, center, scale, workers, options.block_rows)


def _solve(
    design: Design, targets: Targets, grid: F64, loss: LossName, options: SolverOptions
) -> PathResult:
    if design.n_samples >= design.n_features:
        return _solve_design(design, targets, grid, loss, options)
    space = RowSpace.of(design)
    r = space.rows.shape[1]
    zero, one = np.zeros(r, np.float32), np.ones(r, np.float32)
    small = replace(design, X=space.rows, center=zero, scale=one)
    result = _solve_design(small, targets, grid, loss, options)
    return replace(result, coef=space.expand(result.coef))


def _solve_design(
    design: Design, targets: Targets, grid: F64, loss: LossName, options: SolverOptions
) -> PathResult:
    rows = GRAM_ROWS_PER_FEATURE * design.n_features + 1000
    spectrum = GramSpectrum.of(design, rows)
    weights = targets.weights
    if weights is None:
        totals = np.array([float(design.n_samples)])
        norms, similar = np.sqrt(totals), np.zeros(1, np.int64)
    else:
        totals = weights.sum(axis=1, dtype=np.float64)
        norms = np.sqrt(np.square(weights, dtype=np.float64).sum(axis=1))
        similar = similar_folds(weights)
    kernel, class_indices = _kernel(loss, targets)
    packed = pack_rows(design, options.max_fast_bytes)
    if packed:
        vectors = np.ascontiguousarray(spectrum.vectors.T)
        spectrum = replace(spectrum, product=Bf16Product(vectors, is_split=False))
    problem = Problem(design, kernel, totals, norms, similar, spectrum, options, packed)
    schedule = Schedule(problem, _chains(problem, class_indices, grid))
    schedule.run()
    return _collect(schedule, class_indices, grid)


def _kernel(loss: LossName, targets: Targets) -> tuple[Loss, list[int]]:
    """Return the loss and the class of each of its one-vs-rest chains."""
    if loss == "logistic" and targets.n_classes > 2:
        return Softmax(targets), [0]
    class_indices = [1] if targets.n_classes == 2 else list(range(targets.n_classes))
    return (Sigmoid if loss == "logistic" else SquaredHinge)(targets), class_indices


def _chains(problem: Problem, class_indices: list[int], grid: F64) -> list[Chain]:
    points = [(float(C), index) for index, C in enumerate(grid)]
    spread = max(float(problem.spectrum.values.mean()), 1e-12)
    chains = []
    for fold in range(len(problem.fold_totals)):
        first = FIRST_STRENGTH / (problem.strength(1.0, fold) * max(spread, 1e-3))
        c_grid = extended_grid(points, first)
        chains += [Chain(fold, class_index, list(c_grid)) for class_index in class_indices]
    return chains


def _collect(schedule: Schedule, class_indices: list[int], grid: F64) -> PathResult:
    """Lay the finished subproblems out as ``(n_folds, n_C, n_outputs, …)``."""
    n_folds = len(schedule.problem.fold_totals)
    solutions = [
        [[schedule.finished[f, p, i] for p in class_indices] for i in range(len(grid))]
        for f in range(n_folds)
    ]

    def per_point(value: Any) -> NDArray[Any]:
        return np.array([[value(group) for group in fold] for fold in solutions])

    theta = per_point(lambda group: np.concatenate([one.theta for one in group]))
    return PathResult(
        C=grid,
        classes=np.empty(0),
        coef=theta[..., :-1],
        intercept=theta[..., -1],
        n_iter=per_point(lambda group: max(one.n_passes for one in group)),
        objective=per_point(lambda group: sum(one.objective for one in group)),
        gradient_norm=per_point(_gradient_norm),
        converged=per_point(lambda group: all(one.converged for one in group)),
        n_passes=schedule.n_passes,
    )


def _gradient_norm(group: list[SubproblemSolution]) -> float:
    return float(np.sqrt(sum(np.vdot(one.gradient, one.gradient) for one in group)))


def _first_fold(result: PathResult) -> PathResult:
    names = ("coef", "intercept", "n_iter", "objective", "gradient_norm", "converged")
    return replace(result, **{name: getattr(result, name)[0] for name in names})
