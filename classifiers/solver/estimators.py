"""scikit-learn estimators over `solve_path`: multinomial logistic regression and linear SVM."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .calibrate import Temperature, fit_temperature
from .options import F32, F64, Ints, PathResult, SolverOptions
from .path import solve_path

FLOATS = [np.float32, np.float64, np.float16]
ClassWeight = dict[Any, float] | str | None


class _LinearHead(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """What both heads share: validation, class weights, decision values and labels."""

    classes_: NDArray[Any]
    coef_: F64
    intercept_: F64
    n_iter_: Ints
    class_weight: ClassWeight
    fit_intercept: bool

    def decision_function(self, X: ArrayLike) -> F64:
        """Return ``X Wᵀ + b``: ``(n_samples, n_classes)``, or ``(n_samples,)`` for two classes."""
        values = self._decisions(X)
        return values[:, 0] if values.shape[1] == 1 else values

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the label with the largest decision value of each sample, ``(n_samples,)``."""
        values = self._decisions(X)
        best = (values[:, 0] > 0).astype(int) if values.shape[1] == 1 else values.argmax(axis=1)
        return np.asarray(self.classes_[best])

    def _decisions(self, X: ArrayLike) -> F64:
        check_is_fitted(self)
        features: NDArray[Any] = validate_data(self, X, dtype=FLOATS, reset=False)
        return np.asarray(features @ self.coef_.T + self.intercept_, dtype=np.float64)

    def _training_data(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[NDArray[Any], NDArray[Any], F32]:
        features, labels = validate_data(self, X, y, dtype=FLOATS)
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"a classifier needs two classes, y holds 1 class: {self.classes_}")
        weights = _check_sample_weight(sample_weight, features, dtype=np.float32, copy=True)
        by_class = compute_class_weight(
            self.class_weight, classes=self.classes_, y=labels, sample_weight=weights
        )
        return features, codes, np.asarray(weights * by_class[codes], dtype=np.float32)

    def _keep(self, result: PathResult, fold: int) -> None:
        self.coef_, self.intercept_ = result.coef[fold, 0], result.intercept[fold, 0]
        self.n_iter_ = result.n_iter[fold]
        if not result.converged.all():
            warnings.warn(
                "the solver stopped before it converged; raise max_iter or tol, or scale X",
                ConvergenceWarning,
                stacklevel=3,
            )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags


class LogisticHead(_LinearHead):
    """Multinomial logistic regression with an unpenalised intercept.

    The same optimum as scikit-learn's ``LogisticRegression(C=C)``: ``C · Σ s_i loss_i + ½‖W‖²``.

    Parameters
    ----------
    C : float > 0
        Inverse regularisation strength.
    tol : float > 0
        Relative error of the objective; see `SolverOptions`.
    max_iter : int >= 1
        Most passes over X.
    class_weight : dict, "balanced" or None
    fit_intercept : bool
    random_state : int
        Seed of the rows that precondition; the optimum does not depend on it.

    Attributes
    ----------
    classes_ : (n_classes,)
    coef_ : float64 (n_classes, n_features), or (1, n_features) for two classes
    intercept_ : float64 (n_classes,) or (1,)
    n_iter_ : int64 (1,)
    """

    def __init__(
        self,
        C: float = 1.0,
        *,
        tol: float = 1e-6,
        max_iter: int = 1000,
        class_weight: ClassWeight = None,
        fit_intercept: bool = True,
        random_state: int = 0,
    ) -> None:
        self.C = C
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.fit_intercept = fit_intercept
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit ``X (n_samples, n_features)`` to labels ``y (n_samples,)``."""
        features, codes, weights = self._training_data(X, y, sample_weight)
        _refuse_empty_classes(codes, weights[None])
        options = _options(self)
        self._keep(
            solve_path(features, codes, self.C, "logistic", weights[None], options=options), 0
        )
        return self

    def predict_proba(self, X: ArrayLike) -> F64:
        """Return class probabilities ``(n_samples, n_classes)``."""
        return np.asarray(np.exp(self.predict_log_proba(X)))

    def predict_log_proba(self, X: ArrayLike) -> F64:
        """Return the logarithms of the class probabilities ``(n_samples, n_classes)``."""
        values = self._decisions(X)
        if values.shape[1] == 1:
            values = np.concatenate([np.zeros_like(values), values], axis=1)
        values -= values.max(axis=1, keepdims=True)
        return np.asarray(values - np.log(np.exp(values).sum(axis=1, keepdims=True)))


class LinearSVMHead(_LinearHead):
    """Linear support vector machine, squared hinge, one against the rest, with probabilities.

    The same optimum as ``LinearSVC(C=C)`` with an intercept that is not penalised. Calibration
    costs no separate fits: its folds are further columns of the same passes over X.

    Parameters
    ----------
    C, tol, max_iter, class_weight, fit_intercept, random_state
        As for `LogisticHead`.
    calibration_folds : int
        Stratified folds whose held-out decision values fit the probabilities' temperature; 0
        leaves `predict_proba` out. Lowered to the rarest class' count; with a class of one
        sample the training values serve, which makes the probabilities too sure.

    Attributes
    ----------
    classes_, coef_, intercept_, n_iter_
        As for `LogisticHead`.
    temperature_ : Temperature or None
    """

    def __init__(
        self,
        C: float = 1.0,
        *,
        tol: float = 1e-6,
        max_iter: int = 1000,
        class_weight: ClassWeight = None,
        fit_intercept: bool = True,
        calibration_folds: int = 3,
        random_state: int = 0,
    ) -> None:
        self.C = C
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.fit_intercept = fit_intercept
        self.calibration_folds = calibration_folds
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit ``X (n_samples, n_features)`` to labels ``y (n_samples,)`` and calibrate."""
        features, codes, weights = self._training_data(X, y, sample_weight)
        folds = stratified_folds(codes, weights, self.calibration_folds, self.random_state)
        rows = np.stack([weights, *(weights * (folds != f) for f in range(folds.max() + 1))])
        _refuse_empty_classes(codes, rows)
        options = _options(self)
        result = solve_path(features, codes, self.C, "squared_hinge", rows, options=options)
        self._keep(result, 0)
        self.temperature_: Temperature | None = None
        if self.calibration_folds:
            decisions = _held_out(features, result, folds)
            self.temperature_ = fit_temperature(decisions, codes, weights.astype(np.float64))
        return self

    def predict_proba(self, X: ArrayLike) -> F64:
        """Return calibrated class probabilities ``(n_samples, n_classes)``.

        Raises
        ------
        ValueError
            Where the head was made with ``calibration_folds=0``.
        """
        check_is_fitted(self)
        if self.temperature_ is None:
            raise ValueError("probabilities need calibration_folds >= 2; this head has 0")
        return self.temperature_.probabilities(self._decisions(X))


def stratified_folds(codes: Ints, weights: F32, n_folds: int, random_state: int) -> Ints:
    """Number each sample's fold ``(n_samples,)``, each class dealt evenly; -1 for no fold.

    The folds are as many as the rarest class has samples of positive weight, at most
    ``n_folds``; where that is below two, or ``n_folds`` is 0, every sample gets -1.
    """
    folds = np.full(len(codes), -1, dtype=np.int64)
    used = np.nonzero(weights > 0)[0]
    counts = np.bincount(codes[used], minlength=int(codes.max()) + 1)
    n_folds = min(n_folds, int(counts.min()))
    if n_folds < 2:
        return folds
    shuffled = np.random.default_rng(random_state).permutation(used)
    order = shuffled[np.argsort(codes[shuffled], kind="stable")]
    folds[order] = np.arange(len(order)) % n_folds
    return folds


def _held_out(X: NDArray[Any], result: PathResult, folds: Ints) -> F64:
    """Return each sample's decision values from the fold that left it out (-1: from all)."""
    out = np.empty((len(X), result.coef.shape[2]))
    for fold in range(-1, int(folds.max()) + 1):
        rows = folds == fold
        out[rows] = X[rows] @ result.coef[fold + 1, 0].T + result.intercept[fold + 1, 0]
    return out


def _refuse_empty_classes(codes: Ints, rows: F32) -> None:
    """Refuse class weights or sample weights that leave a class out."""
    totals = np.bincount(codes, weights=rows[0])
    if (totals <= 0).any():
        raise ValueError(
            "sample_weight and class_weight leave class number "
            f"{int(totals.argmin())} without any weight"
        )


def _options(head: LogisticHead | LinearSVMHead) -> SolverOptions:
    return SolverOptions(
        tol=head.tol,
        max_iter=head.max_iter,
        fit_intercept=head.fit_intercept,
        random_state=head.random_state,
    )
