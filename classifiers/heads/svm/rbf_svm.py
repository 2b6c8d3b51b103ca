"""The RBF support vector machine: libsvm's optimum from shared matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ....cache.errors import ModelFileError
from ..base import Head
from ..calibration import fit_temperature, probabilities
from ..held_out import calibration_folds
from ..matmul.bf16_matmul import is_large
from ..parameter_checks import CLASS_WEIGHT, EXACTLY_MINUS_ONE, FLAG, SELECT, number, one_of, whole
from ..row_blocks import Floats, Ints, compute_dtype, iter_blocks
from ..serialisation import ArrayRule
from ..training_data import Training
from .one_vs_one import OneVsOneModel, shared_logits, with_shared_vectors
from .tasks import DualCoefficients, Limits, SortedSamples, SVMTask, kernel_models
from .train import train_tasks


class RBFSVMHead(Head):
    """Support vector machine with the kernel ``exp(-gamma |x - z|^2)``, one class against one.

    Its decisions equal those of scikit-learn's ``SVC(break_ties=True)``. Its probabilities couple
    those of the pairs of classes, with one temperature; for two classes, they are the sigmoid of
    the decision times the temperature. The temperature is fitted to samples that were held out: a
    fifth of the samples where there are 5,000 or more, else three folds.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty.
    gamma : float or 'scale'
        ``scale`` is one over the number of features times the scaled features' variance.
    standardize : bool
    select : int or None
    class_weight : None, 'balanced' or mapping of class to weight
    tol : float
        libsvm's stopping tolerance.
    max_iter : int
        Most iterations for a pair of classes; -1 is libsvm's limit, which is 10,000,000 or 100 for
        each sample.

    Attributes
    ----------
    support_vectors_ : ndarray, shape (n_support, n_features)
        Scaled, grouped by class.
    n_support_ : ndarray of int64, shape (n_classes,)
    dual_coef_ : ndarray, shape (n_classes - 1, n_support)
        In libsvm's order and sign.
    intercept_ : ndarray, shape (n_pairs,)
    gamma_ : float
    n_iter_ : int
        Iterations of the slowest pair of classes.
    converged_ : bool
    """

    joint_params = ("C", "gamma")
    iteration_param = "max_iter"
    _rules: ClassVar = {
        "C": number(0),
        "gamma": number(0) | one_of("scale"),
        "standardize": FLAG,
        "select": SELECT,
        "class_weight": CLASS_WEIGHT,
        "tol": number(0),
        "max_iter": EXACTLY_MINUS_ONE | whole(1),
    }
    _array_rules: ClassVar[dict[str, ArrayRule]] = {
        "support_vectors": ArrayRule(("s", "d")),
        "n_support": ArrayRule(("k",), kind="i"),
        "dual_coef": ArrayRule(("o", "s")),
        "intercept": ArrayRule(("p",)),
        "gamma": ArrayRule((), positive=True),
        "temperature": ArrayRule((), positive=True),
    }
    support_vectors_: Floats
    n_support_: Ints
    dual_coef_: Floats
    intercept_: Floats
    gamma_: float
    _support_rows: Ints

    def __init__(
        self,
        C: float = 10.0,
        gamma: Any = "scale",
        *,
        standardize: bool = True,
        select: Any = None,
        class_weight: Any = None,
        tol: float = 1e-3,
        max_iter: int = -1,
    ) -> None:
        self.C = C
        self.gamma = gamma
        self.standardize = standardize
        self.select = select
        self.class_weight = class_weight
        self.tol = tol
        self.max_iter = max_iter

    @classmethod
    def _fit_jointly(cls, heads: Sequence[Self], data: Training) -> None:
        fit_heads(heads, data)

    @property
    def _model(self) -> OneVsOneModel:
        return OneVsOneModel(
            self.support_vectors_, self.n_support_, self.dual_coef_, self.intercept_, self.gamma_
        )

    def _decide(self, block: Floats) -> Floats:
        model = self._model.astype(block.dtype)
        return model.logits(model.kernel(block))

    def _vote(self, block: Floats) -> Floats:
        model = self._model.astype(block.dtype)
        return model.decide(model.kernel(block))

    def _decision_width(self) -> int:
        n_classes = len(self.n_support_)
        return max(len(self.support_vectors_), n_classes * (n_classes - 1) // 2)

    def decision_function(self, X: Any) -> Floats:
        """Return scikit-learn's "ovr" decision values, ``(n,)`` for two classes."""
        decision = self._decision(X, self._vote)
        return decision[:, 0] if decision.shape[1] == 1 else decision

    @classmethod
    def _probabilities_jointly(cls, heads: Sequence[Self], X: Any) -> list[Floats]:
        """Compute the kernels of a large matrix once for all heads of one gamma."""
        first, X = heads[0], heads[0]._input(X)
        rows = [head._support_rows for head in heads if hasattr(head, "_support_rows")]
        is_one_kernel = len({head.gamma_ for head in heads}) == 1 and len(rows) == len(heads) > 1
        if not is_one_kernel or not is_large(X.shape[0], first.support_vectors_):
            return [head._probabilities(X) for head in heads]
        dtype = compute_dtype(X.dtype)
        models = with_shared_vectors([head._model.astype(dtype) for head in heads], rows)

        def decide(block: Floats) -> Floats:
            kernel = models[0].kernel(block)
            return np.concatenate([model.logits(kernel) for model in models], axis=1)

        logits = np.split(first._decision(X, decide), len(heads), axis=1)
        return [
            probabilities(values, head.temperature_)
            for values, head in zip(logits, heads, strict=True)
        ]

    def _set_model(self, dual: DualCoefficients, model: OneVsOneModel, temperature: float) -> None:
        self.support_vectors_, self.n_support_ = model.vectors, model.counts
        self.dual_coef_, self.intercept_ = model.dual, model.intercept
        self.gamma_, self.temperature_ = model.gamma, temperature
        self.n_iter_, self.converged_ = dual.n_iter, dual.converged
        self._support_rows = dual.support()

    def _restore(self, arrays: Any) -> None:
        super()._restore(arrays)
        n_classes = len(self.classes_)
        if (
            (self.n_support_ < 0).any()
            or (self.n_support_ > len(self.support_vectors_)).any()
            or self.n_support_.sum() != len(self.support_vectors_)
            or len(self.dual_coef_) != n_classes - 1
            or len(self.intercept_) != n_classes * (n_classes - 1) // 2
        ):
            raise ModelFileError("the head's support vectors do not fit its classes")


def fit_heads(heads: Sequence[RBFSVMHead], data: Training) -> None:
    """Fit heads that differ in ``C`` and ``gamma`` only, from one computation of distances."""
    first = heads[0]
    first._fit_scaler(data)
    for head in heads[1:]:
        head._take_scale(first)
    fold = _fold_numbers(data)
    # Sorted by class, then fold: a fold's part of a class is one run of rows.
    order = np.lexsort((fold, data.y))
    samples = SortedSamples(first._scaled_all(data)[order], data.y[order], data.weights[order])
    held_out = [fold[order] == i for i in range(int(fold.max()) + 1)]
    variance = _variance(samples.X)
    for head in heads:
        head.gamma_ = _gamma(head, variance, samples.X.shape[1])
    tasks = [
        SVMTask(head.gamma_, float(head.C), rows)
        for head in heads
        for rows in (None, *(~mask for mask in held_out))
    ]
    duals = train_tasks(samples, tasks, Limits(first.tol, first.max_iter))
    # For each head, the coefficients of all samples, then those of its folds.
    step = 1 + len(held_out)
    by_head = [duals[i : i + step] for i in range(0, len(duals), step)]
    for gamma in {head.gamma_ for head in heads}:
        members = [i for i, head in enumerate(heads) if head.gamma_ == gamma]
        folds = list(zip(*(by_head[i][1:] for i in members), strict=True))
        temperatures = _calibrate(samples, folds, held_out, gamma)
        for i, temperature in zip(members, temperatures or [1.0] * len(members), strict=True):
            (model,) = kernel_models(samples, [by_head[i][0]], gamma)
            heads[i]._set_model(by_head[i][0], model, temperature)


def _fold_numbers(data: Training) -> Ints:
    """Return which fold holds each sample out to calibrate, ``(n_samples,)``; -1 for none."""
    fold = np.full(len(data.y), -1)
    for i, (_, held_out) in enumerate(calibration_folds(data.y, groups=data.groups)):
        fold[held_out] = i
    return fold


def _variance(X: Floats) -> float:
    """Return the variance of all numbers, in float64 and in blocks."""
    mean = float(X.mean(dtype=np.float64))
    total = sum(
        float(np.square(block - mean).sum()) for _, block in iter_blocks(X, np.dtype(np.float64))
    )
    return total / X.size


def _gamma(head: RBFSVMHead, variance: float, n_features: int) -> float:
    if head.gamma != "scale":
        return float(head.gamma)
    return 1.0 / (n_features * variance) if variance > 0 else 1.0


def _calibrate(
    samples: SortedSamples,
    folds: Sequence[Sequence[DualCoefficients]],
    held_out: Sequence[NDArray[np.bool_]],
    gamma: float,
) -> list[float]:
    """Fit each head's temperature to its folds' decisions on the samples that they held out.

    Parameters
    ----------
    samples : SortedSamples
    folds : sequence of sequence of DualCoefficients
        For each fold, those of all heads.
    held_out : sequence of ndarray of bool
        The samples that each fold leaves out.
    gamma : float
    """
    logits_by_fold = []
    for duals, mask in zip(folds, held_out, strict=True):
        X = samples.X[mask]
        if is_large(len(X), samples.X):
            models = kernel_models(samples, duals, gamma)
            logits_by_fold.append(shared_logits(models, X, in_bfloat16=True))
        else:
            models = [kernel_models(samples, [dual], gamma)[0] for dual in duals]
            logits_by_fold.append([shared_logits([model], X)[0] for model in models])
    order = [np.flatnonzero(mask) for mask in held_out]
    return [
        fit_temperature(
            np.concatenate(logits),
            samples.y[np.concatenate(order)],
            samples.weight[np.concatenate(order)],
        )
        for logits in zip(*logits_by_fold, strict=True)
    ]
