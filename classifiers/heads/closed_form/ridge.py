"""Ridge classifier: least squares on class targets, in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ..base import Head
from ..calibration import fit_temperature
from ..linear.heads import LinearHead
from ..parameter_checks import CLASS_WEIGHT, FLAG, SELECT, number
from ..row_blocks import Floats, iter_blocks
from ..training_data import Training
from .cholesky import prepared
from .left_out import left_out_groups
from .normal_equations import NormalEquations, System

F64 = NDArray[np.float64]


class RidgeHead(LinearHead):
    """Least squares on targets of +1 and -1 with a penalty ``alpha * ||W||^2``.

    The optimum is scikit-learn's ``RidgeClassifier``'s. One Gram matrix serves every ``alpha`` of a
    grid (``fit_many``). The temperature is fitted to leave-one-out
    decisions, which have a closed form, of about 2,048 samples; groups are left out whole.

    Parameters
    ----------
    alpha : float
        Strength of the penalty.
    standardize : bool
    select : int or None
    class_weight : None, 'balanced' or mapping of class to weight
    """

    joint_params = ("alpha",)
    _rules: ClassVar = {
        "alpha": number(0),
        "standardize": FLAG,
        "select": SELECT,
        "class_weight": CLASS_WEIGHT,
    }

    def __init__(
        self,
        alpha: float = 100.0,
        *,
        standardize: bool = True,
        select: Any = None,
        class_weight: Any = None,
    ) -> None:
        self.alpha = alpha
        self.standardize = standardize
        self.select = select
        self.class_weight = class_weight

    @classmethod
    def _fit_jointly(cls, heads: Sequence[Self], data: Training) -> None:
        heads[0]._fit_scaler(data)
        for head in heads[1:]:
            head._take_scale(heads[0])
        fit_ridges(heads, data)

    def _solve(self, system: System, dtype: np.dtype[Any]) -> None:
        equations, coef = system.equations, system.solve(self.alpha)
        self._set_weights(coef.T, equations.target_mean - equations.mean @ coef, dtype)


def fit_ridges(heads: Sequence[RidgeHead], data: Training) -> None:
    """Fit heads whose scale is known and that differ in ``alpha`` only.

    Each head's temperature is fitted to its decisions on groups of samples that are left out.
    """
    system = prepared(normal_equations(heads[0], data), [head.alpha for head in heads])
    groups = left_out_groups(data)
    part = data.take(np.concatenate([rows.ravel() for rows in groups]))
    scaled = heads[0]._scaled(np.asarray(part.X[:], data.dtype))
    centred = scaled - system.equations.mean.astype(data.dtype)
    target = targets(part.y, data.n_classes)
    weights, floor = part.weights, 1 / system.equations.total
    if part.sample_weight is not None:  # it stands for so many equal samples: one is left out
        weights = weights / np.maximum(part.sample_weight, 1)
    halves = system.halves(centred, [head.alpha for head in heads])
    for head, half in zip(heads, halves, strict=True):
        head._solve(system, data.dtype)
        residual, start = target - head._decide(scaled), 0
        for rows in groups:
            here = np.arange(start, start := start + rows.size).reshape(rows.shape)
            residual[here] = _left_out(half[here], residual[here], weights[here], floor)
        head.temperature_ = fit_temperature(target - residual, part.y, part.weight)


def _left_out(half: Floats, residual: F64, weights: F64, floor: float) -> F64:
    """Return the residuals of a fit without the group, of groups of one size.

    They are ``(I - H)^-1`` times those of the fit with it, ``H`` the group's part of the hat
    matrix; for a single sample, the residual over ``1 - h`` (Allen 1974, "PRESS").

    Parameters
    ----------
    half : ndarray, shape (n_groups, size, d)
        Its products with itself are the hat matrix without weights and intercept.
    residual : ndarray of float64, shape (n_groups, size, m)
    weights : ndarray of float64, shape (n_groups, size)
    floor : float
        The intercept's part of each number of the hat matrix.
    """
    hat = (half @ half.transpose(0, 2, 1) + floor) * weights[:, None, :]
    rest = np.eye(half.shape[1]) - hat
    diagonal = np.einsum("gii->gi", rest)
    np.maximum(diagonal, 1e-6, out=diagonal)
    left_out: F64 = np.linalg.solve(rest, residual).astype(np.float64, copy=False)
    return left_out


def targets(y: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    """Return +1 for a sample's class and -1 elsewhere, ``(n, m)``; one column for two classes."""
    matrix = np.full((len(y), n_classes), -1.0)
    matrix[np.arange(len(y)), y] = 1.0
    return matrix[:, 1:] if n_classes == 2 else matrix


def normal_equations(head: Head, data: Training) -> NormalEquations:
    """Build the normal equations in one pass over the features."""
    n_features = data.X.shape[1]
    n_columns = 1 if data.n_classes == 2 else data.n_classes
    gram = np.zeros((n_features, n_features))
    cross = np.zeros((n_features, n_columns))
    sums, target_sums = np.zeros(n_features), np.zeros(n_columns)
    for rows, block in iter_blocks(data.X, data.dtype, n_columns):
        scaled, weight = head._scaled(block), data.weights[rows]
        rooted = scaled * np.sqrt(weight).astype(block.dtype)[:, None]
        target = targets(data.y[rows], data.n_classes) * weight[:, None]
        gram += rooted.T @ rooted
        cross += scaled.T @ target.astype(block.dtype)
        sums += weight @ scaled
        target_sums += target.sum(axis=0)
    total = float(data.weights.sum())
    mean, target_mean = sums / total, target_sums / total
    gram -= total * np.outer(mean, mean)
    cross -= total * np.outer(mean, target_mean)
    return NormalEquations(gram, cross, mean, target_mean, total)
