"""Ridge classifier: least squares on class targets, in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ..base import Head
from ..calibration import fit_temperature
from ..linear.heads import LinearHead
from ..parameter_checks import CLASS_WEIGHT, FLAG, number
from ..row_blocks import iter_blocks
from ..training_data import Training

CALIBRATION_ROWS = 8192


class RidgeHead(LinearHead):
    """Least squares on targets of +1 and -1 with a penalty ``alpha * ||W||^2``.

    The optimum is scikit-learn's ``RidgeClassifier``'s. One eigendecomposition of the Gram matrix
    serves every ``alpha`` of a grid (``fit_many``). The temperature is fitted to leave-one-out
    decisions, which have a closed form: the residual over ``1 - h`` with ``h`` the sample's
    leverage (Allen 1974, "PRESS"), of at most 8,192 samples.

    Parameters
    ----------
    alpha : float
        Strength of the penalty.
    standardize : bool
    class_weight : None, 'balanced' or mapping of class to weight
    """

    joint_params = ("alpha",)
    _rules: ClassVar = {"alpha": number(0), "standardize": FLAG, "class_weight": CLASS_WEIGHT}

    def __init__(
        self, alpha: float = 100.0, *, standardize: bool = True, class_weight: Any = None
    ) -> None:
        self.alpha = alpha
        self.standardize = standardize
        self.class_weight = class_weight

    @classmethod
    def _fit_jointly(cls, heads: Sequence[Self], data: Training) -> None:
        heads[0]._fit_scaler(data)
        system = decompose(heads[0], data)
        for head in heads:
            head._take_scale(heads[0])
            head._solve(system, data.dtype)
        _calibrate(heads, data, system)

    def _solve(self, system: Decomposition, dtype: np.dtype[Any]) -> None:
        coef = (system.vectors / (system.values + self.alpha)) @ system.products
        self._set_weights(coef.T, system.target_mean - system.mean @ coef, dtype)


@dataclass(frozen=True)
class Decomposition:
    """The centred normal equations of one training set, diagonal in its eigenvectors.

    Attributes
    ----------
    values : ndarray of float64, shape (n_features,)
        Eigenvalues of the weighted, centred Gram matrix ``Xc' W Xc``.
    vectors : ndarray of float64, shape (n_features, n_features)
        Its eigenvectors, as columns.
    products : ndarray of float64, shape (n_features, m)
        ``vectors' Xc' W Tc`` with the centred targets ``Tc``.
    mean : ndarray of float64, shape (n_features,)
    target_mean : ndarray of float64, shape (m,)
    total : float
        Sum of the weights.
    """

    values: NDArray[np.float64]
    vectors: NDArray[np.float64]
    products: NDArray[np.float64]
    mean: NDArray[np.float64]
    target_mean: NDArray[np.float64]
    total: float


def _calibrate(heads: Sequence[RidgeHead], data: Training, system: Decomposition) -> None:
    """Fit each head's temperature to its leave-one-out decisions."""
    stride = -(-len(data.y) // CALIBRATION_ROWS)
    data = data.take(np.arange(0, len(data.y), stride))
    vectors, mean = system.vectors.astype(data.dtype), system.mean.astype(data.dtype)
    shrinkage = np.stack([1 / (system.values + head.alpha) for head in heads], axis=1)
    decisions: list[list[NDArray[np.float64]]] = [[] for _ in heads]
    for rows, block in iter_blocks(data.X, data.dtype):
        scaled = heads[0]._scaled(block)
        # A weight stands for so many equal samples, of which one is left out.
        weight = np.minimum(data.weights[rows], 1)[:, None]
        squares = np.square((scaled - mean) @ vectors)
        leverage = weight * (squares @ shrinkage.astype(data.dtype) + 1 / system.total)
        rest = np.maximum(1 - leverage, 1e-6)
        target = targets(data.y[rows], data.n_classes)
        for parts, head, factor in zip(decisions, heads, rest.T, strict=True):
            parts.append(target - (target - head._decide(scaled)) / factor[:, None])
    for parts, head in zip(decisions, heads, strict=True):
        head.temperature_ = fit_temperature(np.concatenate(parts), data.y, data.weight)


def targets(y: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    """Return +1 for a sample's class and -1 elsewhere, ``(n, m)``; one column for two classes."""
    matrix = np.full((len(y), n_classes), -1.0)
    matrix[np.arange(len(y)), y] = 1.0
    return matrix[:, 1:] if n_classes == 2 else matrix


def decompose(head: Head, data: Training) -> Decomposition:
    """Build the normal equations in one pass over the features and decompose them."""
    n_features = data.X.shape[1]
    n_columns = 1 if data.n_classes == 2 else data.n_classes
    gram = np.zeros((n_features, n_features))
    cross = np.zeros((n_features, n_columns))
    sums, target_sums = np.zeros(n_features), np.zeros(n_columns)
    for rows, block in iter_blocks(data.X, data.dtype):
        scaled, weight = head._scaled(block), data.weights[rows]
        rooted = scaled * np.sqrt(weight).astype(block.dtype)[:, None]
        target = targets(data.y[rows], data.n_classes) * weight[:, None]
        gram += rooted.T @ rooted
        cross += scaled.T @ target
        sums += weight @ scaled
        target_sums += target.sum(axis=0)
    total = float(data.weights.sum())
    mean, target_mean = sums / total, target_sums / total
    gram -= total * np.outer(mean, mean)
    cross -= total * np.outer(mean, target_mean)
    values, vectors = np.linalg.eigh(gram)
    products = vectors.T @ cross
    return Decomposition(np.maximum(values, 0), vectors, products, mean, target_mean, total)
