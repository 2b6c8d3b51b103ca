"""Linear heads: multinomial logistic regression and the linear SVM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ..base import Head
from ..calibration import fit_temperature
from ..held_out import calibration_folds
from ..parameter_checks import CLASS_WEIGHT, FLAG, SELECT, number, whole
from ..row_blocks import Floats, Ints, is_lazy, iter_blocks, take_rows
from ..serialisation import ArrayRule
from ..training_data import Training

if TYPE_CHECKING:
    from .solver import PathResult
    from .solver.solver_options import LossName

# Tolerance of the folds: they only serve to fit one temperature.
FOLD_TOL = 5e-4


class LinearHead(Head):
    """Base of the linear heads: ``decision = scaled(X) @ coef.T + intercept``.

    Attributes
    ----------
    coef_ : ndarray, shape (m, n_features)
        For the standardised features; ``m`` is 1 for two classes, else ``n_classes``.
    intercept_ : ndarray, shape (m,)
    """

    _array_rules: ClassVar[dict[str, ArrayRule]] = {
        "coef": ArrayRule(("m", "d")),
        "intercept": ArrayRule(("m",)),
        "temperature": ArrayRule((), positive=True),
    }
    coef_: Floats
    intercept_: Floats

    def _decide(self, block: Floats) -> Floats:
        decision: Floats = block @ self.coef_.T.astype(block.dtype, copy=False)
        decision += self.intercept_.astype(block.dtype, copy=False)
        return decision

    def decision_function(self, X: Any) -> Floats:
        """Return decision values, ``(n_samples,)`` for two classes, else ``(n, n_classes)``."""
        decision = self._decision(X)
        return decision[:, 0] if decision.shape[1] == 1 else decision

    def _set_weights(self, coef: Floats, intercept: Floats, dtype: np.dtype[Any]) -> None:
        self.coef_ = np.ascontiguousarray(coef, dtype)
        self.intercept_ = np.ascontiguousarray(intercept, dtype)


class SolvedHead(LinearHead):
    """Base of the linear heads that our own solver fits.

    Attributes
    ----------
    n_iter_ : int
        Passes over the features.
    converged_ : bool
    """

    joint_params = ("C",)
    iteration_param = "max_iter"
    C: float
    max_iter: int
    tol: float

    def _solve(
        self, data: Training, grid: Sequence[float], weights: Floats | None, loss: LossName
    ) -> PathResult:
        """Solve for all C of ``grid`` and all folds at once, on features scaled on the way.

        ``weights`` is ``(n_folds, n_samples)``; None stands for one fold without weights.
        """
        from .solver import Scaling, SolverOptions, Targets, solve_checked

        scaling = Scaling(self.mean_, self.scale_) if self._standardizes else Scaling()
        n_folds = 1 if weights is None else len(weights)
        tol = (float(self.tol), *[max(FOLD_TOL, float(self.tol))] * (n_folds - 1))
        options = SolverOptions(tol=tol, max_iter=int(self.max_iter))
        if is_lazy(data.X):
            options = replace(options, max_fast_bytes=0)
        fold_weights = None if weights is None else weights.astype(np.float32)
        targets = Targets(data.y, fold_weights, data.n_classes)
        points = np.asarray(grid, np.float64)
        return solve_checked(data.X, targets, points, loss, scaling=scaling, options=options)

    def _set_solution(
        self, result: PathResult, fold: int, index: int, dtype: np.dtype[Any]
    ) -> None:
        """Take over the solution of one fold at one point of the grid."""
        at = (fold, index)
        self._set_weights(result.coef[at], result.intercept[at], dtype)
        self.n_iter_, self.converged_ = int(result.n_iter[at]), bool(result.converged[at])


class LogisticHead(SolvedHead):
    """Multinomial logistic regression, ``C * sum of losses + ||W||^2 / 2``, intercept unpenalised.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty.
    standardize : bool
    select : int or None
    class_weight : None, 'balanced' or mapping of class to weight
    max_iter : int
        Most passes over the features.
    tol : float
        Bound on the mean Kullback–Leibler divergence, in nats, of the training samples' predicted
        probabilities from those of the exact solution, by the solver's estimate. At 5e-5, half the
        L1 distance of the probabilities is 0.005 or less in the mean, and the log loss on held-out
        samples is settled within about 5e-3.
    """

    _rules: ClassVar = {
        "C": number(0),
        "standardize": FLAG,
        "select": SELECT,
        "class_weight": CLASS_WEIGHT,
        "max_iter": whole(1),
        "tol": number(0),
    }

    def __init__(
        self,
        C: float = 1e-2,
        *,
        standardize: bool = True,
        select: Any = None,
        class_weight: Any = None,
        max_iter: int = 1000,
        tol: float = 5e-5,
    ) -> None:
        self.C = C
        self.standardize = standardize
        self.select = select
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.tol = tol

    @classmethod
    def _fit_jointly(cls, heads: Sequence[Self], data: Training) -> None:
        first = heads[0]
        first._fit_scaler(data)
        weights = None if data.weight is None else data.weight[None]
        result = first._solve(data, [head.C for head in heads], weights, "logistic")
        for i, head in enumerate(heads):
            head._take_scale(first)
            head._set_solution(result, 0, i, data.dtype)
            head.temperature_ = 1.0


class LinearSVMHead(SolvedHead):
    """Linear SVM with the squared hinge loss, one class against the rest.

    Its probabilities are the softmax (sigmoid for two classes) of the decision values times one
    temperature, which is fitted to the decisions of cross-validated folds.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty.
    standardize : bool
    select : int or None
    class_weight : None, 'balanced' or mapping of class to weight
    max_iter : int
        Most passes over the features.
    tol : float
        Bound on the mean over samples, summed over classes, of the square of what decision values
        inside the margin are off, by the solver's estimate.
    """

    _rules: ClassVar = LogisticHead._rules

    def __init__(
        self,
        C: float = 1e-3,
        *,
        standardize: bool = True,
        select: Any = None,
        class_weight: Any = None,
        max_iter: int = 1000,
        tol: float = 5e-5,
    ) -> None:
        self.C = C
        self.standardize = standardize
        self.select = select
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.tol = tol

    @classmethod
    def _fit_jointly(cls, heads: Sequence[Self], data: Training) -> None:
        first = heads[0]
        first._fit_scaler(data)
        held_out = [rows for _, rows in calibration_folds(data.y, groups=data.groups)]
        # Row 0 is the head itself; the other rows are folds, whose held-out samples weigh nothing.
        weights = np.tile(data.weights, (1 + len(held_out), 1))
        for row, rows in zip(weights[1:], held_out, strict=True):
            row[rows] = 0
        result = first._solve(data, [head.C for head in heads], weights, "squared_hinge")
        for i, head in enumerate(heads):
            head._take_scale(first)
            head.temperature_ = head._calibrate(data, result, i, held_out)
            head._set_solution(result, 0, i, data.dtype)

    def _calibrate(
        self, data: Training, result: PathResult, index: int, held_out: Sequence[Ints]
    ) -> float:
        """Fit the temperature to each fold's decisions on the samples that it held out."""
        if not held_out:
            return 1.0
        decisions = []
        for fold, rows in enumerate(held_out):
            self._set_solution(result, fold + 1, index, data.dtype)
            for _, block in iter_blocks(take_rows(data.X, rows), data.dtype):
                decisions.append(self._decide(self._scaled(block)))
        order = np.concatenate(held_out)
        return fit_temperature(np.concatenate(decisions), data.y[order], data.weights[order])
