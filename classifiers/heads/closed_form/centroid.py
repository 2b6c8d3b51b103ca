"""Nearest centroid: the simplest head, and the fastest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ..base import Head
from ..calibration import calibration_draw, fit_temperature
from ..matmul.distances import normalised, squared_distances
from ..parameter_checks import FLAG, SELECT, one_of
from ..row_blocks import Floats, iter_blocks
from ..serialisation import ArrayRule
from ..training_data import Training
from .left_out import left_out_groups

LEAST_REST = 1e-9
"""Part of a class's weight that must be outside a group, so that the class is there without it."""


class CentroidHead(Head):
    """Nearest class centroid; probabilities are the softmax of negative squared distances.

    The softmax of negative squared distances is linear discriminant analysis with one spherical
    covariance; the temperature is its inverse variance. It is fitted to leave-one-out distances,
    which have a closed form: each training sample, or its group, is taken out of its class's
    centroid.

    Parameters
    ----------
    metric : 'euclidean' or 'cosine'
        ``cosine`` brings every row to length 1 first.
    standardize : bool
    select : int or None

    Attributes
    ----------
    centroids_ : ndarray, shape (n_classes, n_features)
    """

    _rules: ClassVar = {
        "metric": one_of("euclidean", "cosine"),
        "standardize": FLAG,
        "select": SELECT,
    }
    _array_rules: ClassVar[dict[str, ArrayRule]] = {
        "centroids": ArrayRule(("k", "d")),
        "temperature": ArrayRule((), positive=True),
    }
    centroids_: Floats

    def __init__(
        self, metric: str = "euclidean", *, standardize: bool = True, select: Any = None
    ) -> None:
        self.metric = metric
        self.standardize = standardize
        self.select = select

    def _scaled(self, block: Floats) -> Floats:
        scaled = super()._scaled(block)
        return normalised(scaled) if self.metric == "cosine" else scaled

    @classmethod
    def _fit_jointly(cls, heads: Sequence[Self], data: Training) -> None:
        for head in heads:
            head._fit(data)

    def _fit(self, data: Training) -> None:
        self._fit_scaler(data)
        weight, n_features = data.weights, data.X.shape[1]
        sums = np.zeros((data.n_classes, n_features))
        for rows, block in iter_blocks(data.X, data.dtype, data.n_classes):
            members = np.zeros((data.n_classes, len(block)), data.dtype)
            members[data.y[rows], np.arange(len(block))] = weight[rows]
            sums += members @ self._scaled(block)
        totals: NDArray[np.float64] = np.bincount(data.y, weights=weight).astype(np.float64)
        self.centroids_ = (sums / totals[:, None]).astype(data.dtype)
        self.temperature_ = self._calibrate(data, totals)

    def _calibrate(self, data: Training, totals: NDArray[np.float64]) -> float:
        """Fit the temperature to distances from centroids without the sample, or its group."""
        if data.groups is not None:
            return self._calibrate_by_group(data, totals)
        # A weight stands for so many equal samples, of which one is taken out.
        rest = totals[data.y] - np.minimum(data.weights, 1)
        kept = np.flatnonzero(rest > 0)
        if not len(kept):
            return 1.0
        drawn, weights = calibration_draw(data.weights[kept], data.n_classes)
        kept = kept[drawn]
        part = data if len(kept) == len(data.y) else data.take(kept)
        decision = np.concatenate(
            [
                self._decide_all(self._scaled(block))
                for _, block in iter_blocks(part.X, data.dtype, data.n_classes)
            ]
        ).astype(np.float64)
        # Without x the centroid is c + (c - x) * u / (total - u): the distance grows by a factor.
        decision[np.arange(len(kept)), part.y] *= (totals[part.y] / rest[kept]) ** 2
        return fit_temperature(decision, part.y, weights)

    def _calibrate_by_group(self, data: Training, totals: NDArray[np.float64]) -> float:
        """Fit the temperature to distances from centroids without a sample's group."""
        chosen, decisions = [], []
        for rows in (group for groups in left_out_groups(data) for group in groups):
            part = data.take(rows)
            scaled = self._scaled(np.asarray(part.X[:], data.dtype)).astype(np.float64)
            members = np.zeros((data.n_classes, len(rows)))
            members[part.y, np.arange(len(rows))] = part.weights
            rest = totals - members.sum(axis=1)
            has_rest = rest > LEAST_REST * totals
            sums = totals[:, None] * self.centroids_ - members @ scaled
            without = sums / np.where(has_rest, rest, 1)[:, None]
            centroids = np.where(has_rest[:, None], without, self.centroids_)
            judged = has_rest[part.y]
            chosen.append(rows[judged])
            decisions.append(-squared_distances(scaled[judged], centroids))
        kept = np.concatenate(chosen)
        if not len(kept):
            return 1.0
        return fit_temperature(np.concatenate(decisions), data.y[kept], data.weights[kept])

    def _decide_all(self, block: Floats) -> Floats:
        centroids = self.centroids_.astype(block.dtype, copy=False)
        return -squared_distances(block, centroids)

    def _decide(self, block: Floats) -> Floats:
        decision = self._decide_all(block)
        return decision[:, 1:] - decision[:, :1] if decision.shape[1] == 2 else decision

    def decision_function(self, X: Any) -> Floats:
        """Return negative squared distances, ``(n, n_classes)``; their difference for two."""
        decision = self._decision(X)
        return decision[:, 0] if decision.shape[1] == 1 else decision
