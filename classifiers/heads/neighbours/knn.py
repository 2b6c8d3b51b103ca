"""k nearest neighbours, by blocked matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ....cache.errors import ModelFileError
from ..base import Head
from ..matmul.distances import normalised
from ..parameter_checks import FLAG, SELECT, one_of, whole
from ..row_blocks import Floats, Ints, compute_dtype
from ..serialisation import ArrayRule
from ..training_data import Training
from .neighbours import Search


class KNNHead(Head):
    """The share of each class among a sample's nearest training samples.

    Parameters
    ----------
    n_neighbors : int
        At most the training samples; more of them count as all.
    weights : 'uniform' or 'distance'
        ``distance`` weighs a neighbour by the inverse of its distance; where some are at distance
        zero, only they count.
    metric : 'euclidean' or 'cosine'
        ``cosine`` brings every row to length 1 first.
    standardize : bool
    select : int or None

    Attributes
    ----------
    samples_ : ndarray, shape (n_samples, n_features)
        The training samples, scaled.
    labels_ : ndarray of int64, shape (n_samples,)
    votes_ : ndarray, shape (n_samples,)
        The weight of each training sample's vote: its ``sample_weight``.
    """

    joint_params = ("n_neighbors", "weights")
    _rules: ClassVar = {
        "n_neighbors": whole(1),
        "weights": one_of("uniform", "distance"),
        "metric": one_of("euclidean", "cosine"),
        "standardize": FLAG,
        "select": SELECT,
    }
    _array_rules: ClassVar[dict[str, ArrayRule]] = {
        "samples": ArrayRule(("n", "d")),
        "labels": ArrayRule(("n",), kind="i"),
        "votes": ArrayRule(("n",), positive=True),
    }
    samples_: Floats
    labels_: Ints
    votes_: Floats

    def __init__(
        self,
        n_neighbors: int = 10,
        *,
        weights: str = "distance",
        metric: str = "cosine",
        standardize: bool = True,
        select: Any = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.metric = metric
        self.standardize = standardize
        self.select = select

    def _scaled(self, block: Floats) -> Floats:
        scaled = super()._scaled(block)
        return normalised(scaled) if self.metric == "cosine" else scaled

    @classmethod
    def _fit_jointly(cls, heads: Sequence[Self], data: Training) -> None:
        first = heads[0]
        first._fit_scaler(data)
        samples, votes = first._scaled_all(data), data.weights.astype(data.dtype)
        for head in heads:
            head._take_scale(first)
            head.samples_, head.labels_, head.votes_ = samples, data.y, votes

    @property
    def _n_voters(self) -> int:
        return min(int(self.n_neighbors), len(self.labels_))

    def _decide(self, block: Floats) -> Floats:
        """Return the votes of each class, ``(n, k)``, each row summing to 1."""
        samples = self.samples_.astype(block.dtype, copy=False)
        return self._count(*Search(samples, len(block)).nearest(block, self._n_voters))

    def _count(self, nearest: NDArray[np.intp], distance: Floats) -> Floats:
        """Return each class's share of the votes of the first ``n_neighbors``."""
        nearest, distance = nearest[:, : self._n_voters], distance[:, : self._n_voters]
        votes = self.votes_[nearest].astype(distance.dtype)
        if self.weights == "distance":
            votes *= inverse_distances(distance)
        counts = np.zeros((len(nearest), len(self.classes_)), distance.dtype)
        np.add.at(counts, (np.arange(len(nearest))[:, None], self.labels_[nearest]), votes)
        counts /= counts.sum(axis=1, keepdims=True)
        return counts

    def _probabilities(self, X: Any) -> Floats:
        return self._probabilities_jointly([self], X)[0]

    @classmethod
    def _probabilities_jointly(cls, heads: Sequence[Self], X: Any) -> list[Floats]:
        """Search neighbours once, as many as the head with the most of them needs."""
        first, X = heads[0], heads[0]._input(X)
        most = max(head._n_voters for head in heads)
        search = Search(first.samples_.astype(compute_dtype(X.dtype), copy=False), X.shape[0])

        def decide(block: Floats) -> Floats:
            nearest, distance = search.nearest(block, most)
            return np.concatenate([head._count(nearest, distance) for head in heads], axis=1)

        votes = first._decision(X, decide)
        if not len(votes):
            return [np.empty((0, len(head.classes_)), votes.dtype) for head in heads]
        return np.split(votes, len(heads), axis=1)

    def _restore(self, arrays: Any) -> None:
        super()._restore(arrays)
        if self.labels_.min() < 0 or self.labels_.max() >= len(self.classes_):
            raise ModelFileError("the head's array 'labels' points outside its classes")


def inverse_distances(distance: Floats) -> Floats:
    """Return the weight of each neighbour; where one is at distance zero, it alone counts."""
    exact = distance == 0
    weight = 1 / np.where(exact, 1, distance)
    rows = exact.any(axis=1)
    weight[rows] = exact[rows]
    return weight
