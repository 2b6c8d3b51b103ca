"""Losses of a batch of subproblems: values and residuals from logits, and curvature for Hessians.

A subproblem is one optimisation of the batch: one C, one set of sample weights and, for losses of
one class against the rest, one class. Logits are float32 ``(n_subproblems, n_columns, n_rows)``:
rows run along the last axis, so that reductions over classes are vectorised over rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .solver_options import F32, F64, Ints


@dataclass(frozen=True)
class Targets:
    """What the losses compare with.

    Attributes
    ----------
    codes : int64 (n_samples,)
        Class numbers.
    weights : float32 (n_folds, n_samples) or None
        Sample weights; None means one for every sample.
    n_classes : int
    """

    codes: Ints
    weights: F32 | None
    n_classes: int

    def fold_weights(self, folds: NDArray[np.intp], rows: slice) -> F32 | None:
        """Weights ``(n_subproblems, n_rows)`` of the subproblems' folds, or None."""
        return None if self.weights is None else self.weights[folds, rows]

    def signs(self, class_index: Ints, rows: slice) -> F32:
        """Return +1 for rows of the subproblem's class, else -1, ``(n_subproblems, n_rows)``."""
        is_of_class = self.codes[rows] == class_index[:, None]
        return np.where(is_of_class, np.float32(1), np.float32(-1))


@dataclass(frozen=True)
class SubproblemIndex:
    """Fold and class of each subproblem of a pass, ``(n_subproblems,)``.

    The classes matter to losses of one class against the rest only.
    """

    folds: NDArray[np.intp]
    class_index: Ints


class Loss(Protocol):
    """What the solver asks of a loss.

    Attributes
    ----------
    n_columns : int
        Outputs of one subproblem.
    curvature_at_zero : float
        Second derivative by a logit where all logits are zero.
    damping : float
        Factor on the logits at which second derivatives are taken. Logits of a start that is not
        optimal are often too large. Below 1, the Hessian is rather too steep than too flat, which
        costs fewer passes.
    reuse_ratio : float
        Second derivatives serve grid points up to this multiple of the C they were taken at.
        A smaller C leaves more samples near the decision border, so they err towards too much
        curvature. For a smooth loss that costs few passes; too little costs many.
    hessian_rank, hessian_rows : int
        Number of leading eigen-directions in which Hessian blocks are dense, and most rows that
        they are built from, unless the options say otherwise.
    rounding : float
        Absolute rounding error of one sample's loss in float32; 0 where it is relative.
    """

    n_columns: int
    curvature_at_zero: float
    damping: float
    reuse_ratio: float
    hessian_rank: int
    hessian_rows: int
    rounding: float

    def residuals(self, logits: F32, index: SubproblemIndex, rows: slice) -> tuple[F64, F32]:
        """Sum of weighted losses ``(n_subproblems,)``, and its derivative by each logit.

        ``logits`` may be overwritten.
        """
        ...

    def curvature(self, logits: F32, index: SubproblemIndex) -> tuple[F64, F32]:
        """Basis of the columns ``(k, k)`` and second derivatives ``(k, n_samples)``.

        ``logits`` holds all rows of one subproblem, ``(1, k, n_samples)``, and is overwritten.
        """
        ...


class Softmax:
    """Multinomial cross-entropy with one column for each class.

    The Hessian is ``Σ_i s_i (diag p_i - p_i p_iᵀ) ⊗ x_i x_iᵀ`` (Böhning, *Ann. Inst. Statist.
    Math.* 44, 1992). Its diagonal blocks approximate it far better in the eigenbasis of
    ``Σ_i s_i (diag p_i - p_i p_iᵀ)`` than class by class: two classes that are often confused
    become one steep direction (their difference) and one flat direction (their sum).
    """

    damping = 0.85
    reuse_ratio = 30.0
    hessian_rank = 200
    hessian_rows = 40_000
    # The loss is the logarithm of a number near 1.
    rounding = float(np.finfo(np.float32).eps) / 2

    def __init__(self, targets: Targets) -> None:
        self.targets = targets
        self.n_columns = targets.n_classes
        self.curvature_at_zero = 1.0 / targets.n_classes

    def residuals(self, logits: F32, index: SubproblemIndex, rows: slice) -> tuple[F64, F32]:
        """See `Loss.residuals`."""
        at_label = (slice(None), self.targets.codes[rows], np.arange(logits.shape[2]))
        logits -= logits.max(axis=1, keepdims=True)
        label_logits = logits[at_label]
        np.exp(logits, out=logits)
        total = logits.sum(axis=1)
        loss = np.log(total) - label_logits
        logits /= total[:, None]
        logits[at_label] -= np.float32(1)
        weights = self.targets.fold_weights(index.folds, rows)
        if weights is not None:
            loss *= weights
            logits *= weights[:, None]
        return loss.sum(axis=1, dtype=np.float64), logits

    def curvature(self, logits: F32, index: SubproblemIndex) -> tuple[F64, F32]:
        """See `Loss.curvature`; row j of the weights is ``s_i · Var_{p_i}(u_j)``."""
        probability = logits[0]
        probability -= probability.max(axis=0)
        np.exp(probability, out=probability)
        probability /= probability.sum(axis=0)
        weights = self.targets.fold_weights(index.folds, slice(None))
        scaled = probability if weights is None else probability * weights
        mean = np.diag(scaled.sum(axis=1, dtype=np.float64)) - scaled @ probability.T
        basis = np.linalg.eigh(mean)[1]
        u = basis.T.astype(np.float32)
        second = (u * u) @ probability - (u @ probability) ** 2
        np.maximum(second, 0, out=second)
        return basis, second if weights is None else second * weights


class Sigmoid:
    """Binary logistic loss: one column, positive for the subproblem's class."""

    n_columns = 1
    curvature_at_zero = 0.25
    damping = 0.85
    reuse_ratio = 30.0
    hessian_rank = 200
    hessian_rows = 40_000
    rounding = 0.0

    def __init__(self, targets: Targets) -> None:
        self.targets = targets

    def residuals(self, logits: F32, index: SubproblemIndex, rows: slice) -> tuple[F64, F32]:
        """See `Loss.residuals`."""
        signs = self.targets.signs(index.class_index, rows)
        margin = logits[:, 0] * signs
        decay = np.exp(-np.abs(margin))
        loss = np.log1p(decay) + np.maximum(-margin, 0)
        chance = np.where(margin > 0, decay, np.float32(1)) / (1 + decay)
        slope = -signs * chance
        weights = self.targets.fold_weights(index.folds, rows)
        if weights is not None:
            loss *= weights
            slope *= weights
        return loss.sum(axis=1, dtype=np.float64), slope[:, None]

    def curvature(self, logits: F32, index: SubproblemIndex) -> tuple[F64, F32]:
        """See `Loss.curvature`."""
        decay = np.exp(-np.abs(logits[0]))
        second = decay / (1 + decay) ** 2
        weights = self.targets.fold_weights(index.folds, slice(None))
        return np.eye(1), second if weights is None else second * weights


class SquaredHinge:
    """``max(0, 1 - t z)²`` of one class against the rest, as `LinearSVC` uses it.

    Its generalised Hessian is the Gram matrix of the rows inside the margin (Keerthi & DeCoste,
    *JMLR* 6, 2005). The second derivative steps from 2 to 0 at margin 1; here it falls linearly
    between margins 0.5 and 1.5, because rows near the margin cross it along a step, and Newton
    steps of the exact Hessian overshoot.
    """

    n_columns = 1
    curvature_at_zero = 2.0
    damping = 1.0
    reuse_ratio = 9.0
    hessian_rank = 400
    hessian_rows = 20_000
    rounding = 0.0

    def __init__(self, targets: Targets) -> None:
        self.targets = targets

    def residuals(self, logits: F32, index: SubproblemIndex, rows: slice) -> tuple[F64, F32]:
        """See `Loss.residuals`."""
        signs = self.targets.signs(index.class_index, rows)
        slack = np.maximum(1 - logits[:, 0] * signs, 0)
        weights = self.targets.fold_weights(index.folds, rows)
        weighted = slack if weights is None else slack * weights
        loss = (weighted * slack).sum(axis=1, dtype=np.float64)
        return loss, (-2 * signs * weighted)[:, None]

    def curvature(self, logits: F32, index: SubproblemIndex) -> tuple[F64, F32]:
        """See `Loss.curvature`."""
        signs = self.targets.signs(index.class_index, slice(None))
        second = 2 * np.clip(np.float32(1.5) - logits[0] * signs, 0, 1)
        weights = self.targets.fold_weights(index.folds, slice(None))
        return np.eye(1), second if weights is None else second * weights
