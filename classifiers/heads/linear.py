"""Linear heads: multinomial logistic regression and the linear SVM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .arrays import ArrayRule
from .base import Head, Training
from .blocks import Floats, iter_blocks
from .calibrate import calibration_folds, fit_temperature
from .rules import CLASS_WEIGHT, FLAG, number, whole

if TYPE_CHECKING:
    from ..solver import PathResult


class LinearHead(Head):
    """Base of the linear heads: ``decision = scaled(X) @ coef.T + intercept``.

    Attributes
    ----------
    coef_ : ndarray, shape (m, n_features)
        For the standardised features; ``m`` is 1 for two classes, else ``n_classes``.
    intercept_ : ndarray, shape (m,)
    n_iter_ : int
    converged_ : bool
    """

    _array_rules: ClassVar[dict[str, ArrayRule]] = {
        "coef": ArrayRule(("m", "d")),
        "intercept": ArrayRule(("m",)),
        "temperature": ArrayRule((), positive=True),
    }
    coef_: Floats
    intercept_: Floats
    n_iter_: int
    converged_: bool

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
    """Base of the linear heads that our own solver fits."""

    C: float
    max_iter: int
    tol: float

    def _solve(self, data: Training, weights: Any, loss: str) -> PathResult:
        """Solve for ``self.C``, with the scaler applied on the way."""
        from ..solver import Scaling, SolverOptions, solve_path

        scaling = Scaling(self.mean_, self.scale_) if self._standardizes else None
        options = SolverOptions(tol=float(self.tol), max_iter=int(self.max_iter))
        X = data.X if isinstance(data.X, np.ndarray) else np.asarray(data.X)
        return solve_path(X, data.y, [self.C], loss, weights, scaling=scaling, options=options)

    def _keep(self, result: PathResult, dtype: np.dtype[Any], fold: int = 0) -> None:
        """Take over the solution, or one fold's."""
        place = (fold, 0) if result.coef.ndim == 4 else (0,)
        self._set_weights(result.coef[place], result.intercept[place], dtype)
        self.n_iter_, self.converged_ = int(result.n_iter[place]), bool(result.converged[place])


class LogisticHead(SolvedHead):
    """Multinomial logistic regression, ``C * sum of losses + ||W||^2 / 2``, intercept unpenalised.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty.
    standardize : bool
    class_weight : None, 'balanced' or mapping of class to weight
    max_iter : int
        Most passes over the features.
    tol : float
        Relative error of the objective at which the solver stops.
    """

    _rules: ClassVar = {
        "C": number(0),
        "standardize": FLAG,
        "class_weight": CLASS_WEIGHT,
        "max_iter": whole(1),
        "tol": number(0),
    }

    def __init__(
        self,
        C: float = 1e-2,
        *,
        standardize: bool = True,
        class_weight: Any = None,
        max_iter: int = 1000,
        tol: float = 1e-6,
    ) -> None:
        self.C = C
        self.standardize = standardize
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.tol = tol

    def _fit(self, data: Training) -> None:
        self._fit_scaler(data)
        self._keep(self._solve(data, data.weight, "logistic"), data.dtype)
        self.temperature_ = 1.0


class LinearSVMHead(SolvedHead):
    """Linear SVM with the squared hinge loss, one class against the rest.

    Its probabilities are the softmax (sigmoid for two classes) of the decision values times one
    temperature, which is fitted to the decisions of cross-validated folds.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty.
    standardize : bool
    class_weight : None, 'balanced' or mapping of class to weight
    max_iter : int
        Most passes over the features.
    tol : float
        Relative error of the objective at which the solver stops.
    """

    _rules: ClassVar = LogisticHead._rules

    def __init__(
        self,
        C: float = 1e-4,
        *,
        standardize: bool = True,
        class_weight: Any = None,
        max_iter: int = 1000,
        tol: float = 1e-6,
    ) -> None:
        self.C = C
        self.standardize = standardize
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.tol = tol

    def _fit(self, data: Training) -> None:
        self._fit_scaler(data)
        folds = calibration_folds(data.y)
        # Row 0 is the head itself; in the other rows, what a fold holds out weighs nothing.
        weights = np.tile(data.weights, (1 + len(folds), 1))
        for row, (_, held_out) in zip(weights[1:], folds, strict=True):
            row[held_out] = 0
        result = self._solve(data, weights, "squared_hinge")
        self.temperature_ = 1.0
        decisions = []
        for i, (_, held_out) in enumerate(folds):
            self._keep(result, data.dtype, i + 1)
            for _, block in iter_blocks(data.X[held_out], data.dtype):
                decisions.append(self._decide(self._scaled(block)))
        self._keep(result, data.dtype)
        if folds:
            order = np.concatenate([held_out for _, held_out in folds])
            self.temperature_ = fit_temperature(
                np.concatenate(decisions), data.y[order], data.weights[order]
            )
