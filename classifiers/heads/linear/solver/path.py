"""`solve_path`: a whole grid of C values in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...matmul.workers import CallingThread, Mapper, Workers
from ...row_blocks import check_finite
from .curvature_pairs import CurvaturePairs
from .design import Design, sample_rows
from .losses import Loss, Sigmoid, Softmax, SquaredHinge, Targets
from .preconditioner import LeadingSpectrum, rows_for
from .problem import Problem
from .ray import Rays
from .row_space import FEATURES_PER_ROW, RowSpace
from .solver_options import (
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
from .subproblem import Subproblem

MAX_PAIR_BYTES = 1 << 28
# Leading directions of the features for a path of so many points and more, and for fewer points:
# those would be solved before 200 directions are found.
PATH_POINTS = 4
MAX_RANK, FEW_RANK = 200, 64
LEAST_PAIRS = 8
# Largest ratio of neighbours in the grid; helper points, roughly solved, fill wider gaps.
MAX_RATIO = 30.0
HELPER_TOL = 1.5e-2
# Scaling makes up for more of what is left.
FLATTENING_HELPER_TOL = 5e-2
# Strength of the data term at the first grid point, which is solved from zero.
FIRST_STRENGTH = 3.0


@dataclass(frozen=True)
class Scaling:
    """Means and standard deviations to apply without copying X, ``(n_features,)`` each.

    A feature with a scale of zero, which is a constant one, is left out: its coefficient is 0.
    """

    center: ArrayLike | None = None
    scale: ArrayLike | None = None


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
        May be a memory map: it is read in blocks. It is copied whole where there are at least
        twice as many features as samples (see `RowSpace`), and in bfloat16 within
        ``options.max_fast_bytes``.
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
    Grid points are solved one after the other in ascending order, all folds in each pass over X.
    L-BFGS goes on from the last solution, and its curvature pairs are turned into those of the new
    C. It starts from the features' leading eigenvectors, scaled for each output by its mean
    curvature at the present point. A larger C of the logistic loss first scales the solution, by as
    much as suits a sample of rows. Wide gaps of the grid hold helper points, roughly solved. Where
    processors have it, passes turn to bfloat16 once enough work was done to repay packing X.
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
    if design.n_samples * FEATURES_PER_ROW > design.n_features:
        return _solve_design(design, targets, grid, loss, options)
    space = RowSpace.of(design)
    r = space.rows.shape[1]
    zero, one = np.zeros(r, np.float32), np.ones(r, np.float32)
    small = replace(design, X=space.rows.astype(np.float32), center=zero, scale=one)
    result = _solve_design(small, targets, grid, loss, options)
    return replace(result, coef=space.expand(result.coef))


def _solve_design(
    design: Design, targets: Targets, grid: F64, loss: LossName, options: SolverOptions
) -> PathResult:
    problem = Problem(design, _loss(loss, targets), options.max_fast_bytes)
    subproblems = _subproblems(problem, targets, loss, options, len(grid))
    tolerances = options.tolerances(len(subproblems))
    wanted, solutions = set(grid.tolist()), {}
    helper_tol = FLATTENING_HELPER_TOL if problem.loss.flattens else HELPER_TOL
    spread = subproblems[0].spectrum.spread
    for C in extended_grid(grid, FIRST_STRENGTH / (float(targets.totals[0]) * spread)):
        least = 0.0 if C in wanted else helper_tol
        begins = [
            partial(sub.begin, C, max(tol, least))
            for sub, tol in zip(subproblems, tolerances, strict=True)
        ]
        problem.for_each(begins)
        while active := [
            sub for sub in subproblems if not sub.finished and sub.n_passes < options.max_iter
        ]:
            problem.evaluate(active)
        if C in wanted:
            solutions[C] = [Solution.of(sub) for sub in subproblems]
            for sub in subproblems:
                sub.n_passes = 0
    return _collect([solutions[C] for C in grid.tolist()], grid, problem.n_passes)


def _loss(loss: LossName, targets: Targets) -> Loss:
    if loss == "squared_hinge":
        return SquaredHinge(targets)
    return Softmax(targets) if targets.n_classes > 2 else Sigmoid(targets)


def _subproblems(
    problem: Problem, targets: Targets, loss: LossName, options: SolverOptions, n_points: int
) -> list[Subproblem]:
    design, k = problem.design, problem.loss.n_columns
    shape = (k, design.n_features + 1)
    most = MAX_RANK if n_points >= PATH_POINTS else FEW_RANK
    rank = min(most, int(np.sqrt(design.n_samples * k)))
    rows = sample_rows(design.n_samples, rows_for(rank), options.random_state)
    sample = design.rows(rows)
    spectrum = LeadingSpectrum.of(sample, rank, options.random_state, design.workers)
    sampled = _loss(loss, targets.take(rows))
    rays = Rays(sample, sampled) if sampled.flattens else None
    room = MAX_PAIR_BYTES // (8 * k * (design.n_features + 1) * len(targets.totals))
    capacity = max(1, min(options.memory_pairs, max(room, LEAST_PAIRS)))
    # Folds run side by side; a single one has the threads to itself.
    workers: Mapper = design.workers if len(targets.totals) == 1 else CallingThread()
    return [
        Subproblem(
            fold=fold,
            total=float(total),
            rounding=float(norm) * problem.loss.rounding,
            spectrum=spectrum,
            rays=rays,
            pairs=CurvaturePairs(capacity, shape, workers),
            trial=np.zeros(shape),
            workers=workers,
        )
        for fold, (total, norm) in enumerate(zip(targets.totals, targets.norms, strict=True))
    ]


def extended_grid(grid: F64, first: float) -> list[float]:
    """Sort the grid without repeats, and fill its gaps with helper points from ``first`` on."""
    points: list[float] = []
    last = first
    for C in np.unique(grid).tolist():
        if last < C:
            n_helpers = int(np.ceil(np.log(C / last) / np.log(MAX_RATIO) - 1e-9))
            helpers = np.geomspace(last, C, n_helpers + 1)[:-1].tolist()
            points += helpers[1:] if points else helpers
        points.append(C)
        last = max(C, last)
    return points


@dataclass(frozen=True)
class Solution:
    """What one fold came to at one C."""

    theta: F64
    objective: float
    gradient_norm: float
    n_passes: int
    converged: bool

    @classmethod
    def of(cls, sub: Subproblem) -> Solution:
        """Take the present point of a subproblem."""
        point = sub.current
        norm = float(np.linalg.norm(point.objective_gradient(sub.C)))
        return cls(point.theta, point.objective(sub.C), norm, sub.n_passes, sub.converged)


def _collect(solutions: Sequence[Sequence[Solution]], grid: F64, n_passes: int) -> PathResult:
    """Lay solutions ``[C][fold]`` out as ``(n_folds, n_C, …)``."""

    def array(name: str) -> NDArray[Any]:
        return np.array([[getattr(one, name) for one in row] for row in solutions]).swapaxes(0, 1)

    theta = array("theta")
    return PathResult(
        C=grid,
        classes=np.empty(0),
        coef=theta[..., :-1],
        intercept=theta[..., -1],
        n_iter=array("n_passes"),
        objective=array("objective"),
        gradient_norm=array("gradient_norm"),
        converged=array("converged"),
        n_passes=n_passes,
    )


def _first_fold(result: PathResult) -> PathResult:
    names = ("coef", "intercept", "n_iter", "objective", "gradient_norm", "converged")
    return replace(result, **{name: getattr(result, name)[0] for name in names})
