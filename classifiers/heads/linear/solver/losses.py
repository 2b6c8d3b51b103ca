"""Losses of several folds at once: values, residuals and mean curvature from logits.

Logits are float32 ``(n_folds, n_columns, n_rows)``: rows run along the last axis, so that
reductions over classes are vectorised over rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .solver_options import F32, F64, Ints

# Loss, residuals, curvature; see `Loss.evaluate`.
Evaluation = tuple[F64, F32, F64]


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

    @property
    def totals(self) -> F64:
        """Sum of the weights of each fold, ``(n_folds,)``."""
        if self.weights is None:
            return np.array([float(len(self.codes))])
        return np.asarray(self.weights.sum(axis=1, dtype=np.float64))

    @property
    def norms(self) -> F64:
        """Euclidean norm of the weights of each fold, ``(n_folds,)``."""
        if self.weights is None:
            return np.sqrt(self.totals)
        return np.asarray(np.sqrt(np.square(self.weights, dtype=np.float64).sum(axis=1)))

    def weighted(self, values: F32, folds: NDArray[np.intp], rows: slice) -> F32:
        """Multiply values ``(n_folds, …, n_rows)`` by the weights of these folds and rows."""
        if self.weights is None:
            return values
        weights = self.weights[folds, rows]
        return values * (weights if values.ndim == 2 else weights[:, None])

    def take(self, rows: NDArray[np.intp]) -> Targets:
        """Return those of some rows."""
        weights = None if self.weights is None else self.weights[:, rows]
        return Targets(self.codes[rows], weights, self.n_classes)

    def signs(self, n_columns: int, rows: slice) -> F32:
        """Return +1 for rows of a column's class, else -1, ``(n_columns, n_rows)``.

        A single column belongs to class 1.
        """
        classes = np.arange(n_columns) if n_columns > 1 else np.ones(1, np.int64)
        return np.where(self.codes[rows] == classes[:, None], np.float32(1), np.float32(-1))


class Loss(Protocol):
    """What the solver asks of a loss.

    Attributes
    ----------
    n_columns : int
        Outputs of the model.
    rounding : float
        Absolute rounding error of one sample's loss in float32; 0 where it is relative.
    flattens : bool
        Whether it nears 0 ever more slowly as logits grow, and never reaches it.
    """

    n_columns: int
    rounding: float
    flattens: bool

    def evaluate(self, logits: F32, folds: NDArray[np.intp], rows: slice) -> Evaluation:
        """Return sums over the rows of some folds; ``logits`` may be overwritten.

        Returns
        -------
        loss : float64 (n_folds,)
            Weighted sums.
        residuals : float32 (n_folds, n_columns, n_rows)
            Derivatives of the loss by each logit.
        curvature : float64 (n_folds, n_columns)
            Weighted sums of the second derivatives by each logit.
        """
        ...


class Softmax:
    """Multinomial cross-entropy with one column for each class."""

    # The loss is the logarithm of a number near 1.
    rounding = float(np.finfo(np.float32).eps) / 2
    flattens = True

    def __init__(self, targets: Targets) -> None:
        self.targets = targets
        self.n_columns = targets.n_classes

    def evaluate(self, logits: F32, folds: NDArray[np.intp], rows: slice) -> Evaluation:
        """See `Loss.evaluate`."""
        at_label = (slice(None), self.targets.codes[rows], np.arange(logits.shape[2]))
        logits -= logits.max(axis=1, keepdims=True)
        label_logits = logits[at_label]
        np.exp(logits, out=logits)
        total = logits.sum(axis=1)
        loss = self.targets.weighted(np.log(total) - label_logits, folds, rows)
        logits /= total[:, None]
        weighted = self.targets.weighted(logits, folds, rows)
        curvature = weighted.sum(axis=2) - np.einsum("fkr,fkr->fk", weighted, logits)
        logits[at_label] -= np.float32(1)
        residuals = self.targets.weighted(logits, folds, rows)
        return loss.sum(axis=1, dtype=np.float64), residuals, curvature.astype(np.float64)


class Sigmoid:
    """Binary logistic loss: one column, positive for class 1."""

    n_columns = 1
    rounding = 0.0
    flattens = True

    def __init__(self, targets: Targets) -> None:
        self.targets = targets

    def evaluate(self, logits: F32, folds: NDArray[np.intp], rows: slice) -> Evaluation:
        """See `Loss.evaluate`."""
        signs = self.targets.signs(1, rows)
        margin = logits[:, 0] * signs
        decay = np.exp(-np.abs(margin))
        loss = self.targets.weighted(np.log1p(decay) + np.maximum(-margin, 0), folds, rows)
        chance = np.where(margin > 0, decay, np.float32(1)) / (1 + decay)
        slope = self.targets.weighted(chance, folds, rows)
        curvature = slope.sum(axis=1) - np.einsum("fr,fr->f", slope, chance)
        residuals = (-signs * slope)[:, None]
        return loss.sum(axis=1, dtype=np.float64), residuals, curvature[:, None].astype(np.float64)


class SquaredHinge:
    """``max(0, 1 - t z)²`` of each class against the rest, as `LinearSVC` uses it.

    Its generalised Hessian is the Gram matrix of the rows inside the margin (Keerthi & DeCoste,
    *JMLR* 6, 2005).
    """

    rounding = 0.0
    flattens = False

    def __init__(self, targets: Targets) -> None:
        self.targets = targets
        self.n_columns = targets.n_classes if targets.n_classes > 2 else 1

    def evaluate(self, logits: F32, folds: NDArray[np.intp], rows: slice) -> Evaluation:
        """See `Loss.evaluate`."""
        signs = self.targets.signs(self.n_columns, rows)
        logits *= signs
        slack = np.maximum(np.float32(1) - logits, 0)
        inside = self.targets.weighted((slack > 0).astype(np.float32), folds, rows)
        weighted = self.targets.weighted(slack, folds, rows)
        loss = np.einsum("fkr,fkr->f", weighted, slack)
        curvature = 2 * inside.sum(axis=2, dtype=np.float64)
        return loss.astype(np.float64), np.float32(-2) * signs * weighted, curvature
