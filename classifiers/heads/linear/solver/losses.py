"""Losses of a batch of lanes: values and residuals from logits, and curvature for Hessians.

A *lane* is one optimisation problem of the batch: one C, one set of sample weights and, for
one-vs-rest losses, one class. Logits come as float32 ``(n_lanes, n_columns, n_rows)``: rows run
along the last axis, so that reductions over classes are vectorised over rows.
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
        """Weights ``(n_lanes, n_rows)`` of the lanes' folds, or None."""
        return None if self.weights is None else self.weights[folds, rows]

    def signs(self, positive: Ints, rows: slice) -> F32:
        """+1 where a row is of the lane's class, else -1: ``(n_lanes, n_rows)``."""
        is_positive = self.codes[rows] == positive[:, None]
        return np.where(is_positive, np.float32(1), np.float32(-1))


@dataclass(frozen=True)
class Batch:
    """The lanes of one pass: their folds and, for one-vs-rest, their classes, ``(n_lanes,)``."""

    folds: NDArray[np.intp]
    positive: Ints


class Loss(Protocol):
    """What the engine asks of a loss.

    Attributes
    ----------
    n_columns : int
        Outputs of one lane.
    curvature_at_zero : float
        Second derivative by a logit where all logits are zero.
    temper : float
        Logits shrink by this before second derivatives are taken: a start that is not yet
        optimal is often too sure of itself, and a Hessian too flat costs more than one too steep.
    reuse_ratio : float
        Second derivatives serve grid points up to this multiple of the C they were taken at.
        Those of a smaller C see more samples near the border than there will be: too much
        curvature where a loss is smooth costs a few passes, too little costs many.
    hessian_rank, hessian_rows : int
        Leading eigen-directions in which Hessian blocks are dense, and most rows that they are
        built from, unless the options say otherwise.
    rounding : float
        What float32 may hide of one sample's loss however small the loss is; 0 where the error
        shrinks with the loss.
    """

    n_columns: int
    curvature_at_zero: float
    temper: float
    reuse_ratio: float
    hessian_rank: int
    hessian_rows: int
    rounding: float

    def residuals(self, logits: F32, batch: Batch, rows: slice) -> tuple[F64, F32]:
        """Sum of weighted losses ``(n_lanes,)`` and its derivative by each logit (in place)."""
        ...

    def curvature(self, logits: F32, batch: Batch) -> tuple[F64, F32]:
        """Columns' basis ``(k, k)`` and second derivatives ``(k, n_samples)`` of one lane.

        ``logits`` holds all rows of that lane, ``(1, k, n_samples)``, and is overwritten.
        """
        ...


class Softmax:
    """Multinomial cross-entropy with one column for each class.

    The Hessian is ``Σ_i s_i (diag p_i - p_i p_iᵀ) ⊗ x_i x_iᵀ`` (Böhning, *Ann. Inst. Statist.
    Math.* 44, 1992). Its diagonal blocks approximate it far better in the eigenbasis of
    ``Σ_i s_i (diag p_i - p_i p_iᵀ)`` than class by class: there a pair of classes that are taken
    for each other becomes one steep direction (their difference) and one flat one (their sum).
    """

    temper = 0.85
    reuse_ratio = 30.0
    hessian_rank = 200
    hessian_rows = 40_000
    # The logarithm of a sum that is nearly 1.
    rounding = float(np.finfo(np.float32).eps) / 2

    def __init__(self, targets: Targets) -> None:
        self.targets = targets
        self.n_columns = targets.n_classes
        self.curvature_at_zero = 1.0 / targets.n_classes

    def residuals(self, logits: F32, batch: Batch, rows: slice) -> tuple[F64, F32]:
        """See `Loss.residuals`."""
        own = (slice(None), self.targets.codes[rows], np.arange(logits.shape[2]))
        logits -= logits.max(axis=1, keepdims=True)
        of_label = logits[own]
        np.exp(logits, out=logits)
        total = logits.sum(axis=1)
        loss = np.log(total) - of_label
        logits /= total[:, None]
        logits[own] -= np.float32(1)
        weights = self.targets.fold_weights(batch.folds, rows)
        if weights is not None:
            loss *= weights
            logits *= weights[:, None]
        return loss.sum(axis=1, dtype=np.float64), logits

    def curvature(self, logits: F32, batch: Batch) -> tuple[F64, F32]:
        """See `Loss.curvature`; row j of the weights is ``s_i · Var_{p_i}(u_j)``."""
        probability = logits[0]
        probability -= probability.max(axis=0)
        np.exp(probability, out=probability)
        probability /= probability.sum(axis=0)
        weights = self.targets.fold_weights(batch.folds, slice(None))
        scaled = probability if weights is None else probability * weights
        mean = np.diag(scaled.sum(axis=1, dtype=np.float64)) - scaled @ probability.T
        basis = np.linalg.eigh(mean)[1]
        u = basis.T.astype(np.float32)
        second = (u * u) @ probability - (u @ probability) ** 2
        np.maximum(second, 0, out=second)
        return basis, second if weights is None else second * weights


class Sigmoid:
    """Binary logistic loss: one column, positive for the lane's class."""

    n_columns = 1
    curvature_at_zero = 0.25
    temper = 0.85
    reuse_ratio = 30.0
    hessian_rank = 200
    hessian_rows = 40_000
    rounding = 0.0

    def __init__(self, targets: Targets) -> None:
        self.targets = targets

    def residuals(self, logits: F32, batch: Batch, rows: slice) -> tuple[F64, F32]:
        """See `Loss.residuals`."""
        signs = self.targets.signs(batch.positive, rows)
        margin = logits[:, 0] * signs
        decay = np.exp(-np.abs(margin))
        loss = np.log1p(decay) + np.maximum(-margin, 0)
        chance = np.where(margin > 0, decay, np.float32(1)) / (1 + decay)
        slope = -signs * chance
        weights = self.targets.fold_weights(batch.folds, rows)
        if weights is not None:
            loss *= weights
            slope *= weights
        return loss.sum(axis=1, dtype=np.float64), slope[:, None]

    def curvature(self, logits: F32, batch: Batch) -> tuple[F64, F32]:
        """See `Loss.curvature`."""
        decay = np.exp(-np.abs(logits[0]))
        second = decay / (1 + decay) ** 2
        weights = self.targets.fold_weights(batch.folds, slice(None))
        return np.eye(1), second if weights is None else second * weights


class SquaredHinge:
    """``max(0, 1 - t z)²`` of one class against the rest, as `LinearSVC` uses it.

    Its generalised Hessian is the Gram matrix of the rows inside the margin (Keerthi & DeCoste,
    *JMLR* 6, 2005), so one block is the whole of it. Here its step from 2 to 0 at the margin is
    spread over margins 0.5 to 1.5: rows near the border change sides along a step, and full
    steps of the sharp Hessian overshoot.
    """

    n_columns = 1
    curvature_at_zero = 2.0
    temper = 1.0
    reuse_ratio = 9.0
    hessian_rank = 400
    hessian_rows = 20_000
    rounding = 0.0

    def __init__(self, targets: Targets) -> None:
        self.targets = targets

    def residuals(self, logits: F32, batch: Batch, rows: slice) -> tuple[F64, F32]:
        """See `Loss.residuals`."""
        signs = self.targets.signs(batch.positive, rows)
        slack = np.maximum(1 - logits[:, 0] * signs, 0)
        weights = self.targets.fold_weights(batch.folds, rows)
        weighted = slack if weights is None else slack * weights
        loss = (weighted * slack).sum(axis=1, dtype=np.float64)
        return loss, (-2 * signs * weighted)[:, None]

    def curvature(self, logits: F32, batch: Batch) -> tuple[F64, F32]:
        """See `Loss.curvature`."""
        signs = self.targets.signs(batch.positive, slice(None))
        second = 2 * np.clip(np.float32(1.5) - logits[0] * signs, 0, 1)
        weights = self.targets.fold_weights(batch.folds, slice(None))
        return np.eye(1), second if weights is None else second * weights
