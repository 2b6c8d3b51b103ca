"""Random projection with a ridge classifier on it: a nonlinear head in closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from ....cache.errors import ModelFileError
from ..linear.heads import LinearHead
from ..parameter_checks import CLASS_WEIGHT, FLAG, SEED, SELECT, number, whole
from ..row_blocks import Floats, compute_dtype, free_bytes
from ..serialisation import ArrayRule
from ..training_data import Training
from .random_matrix import RandomMatrix
from .ridge import RidgeHead, fit_ridges


class RandomProjectionHead(LinearHead):
    """Ridge on random features ``max(scaled(X) @ W, 0)``, as in RanPAC.

    ``W`` is drawn once and never trained (McDonnell and others 2023, "RanPAC: Random Projections
    and Pre-trained Models for Continual Learning", arXiv:2307.02251). The ridge classifier is
    ``RidgeHead``; one matrix of second moments serves every ``alpha`` of a grid.

    Parameters
    ----------
    alpha : float
        Strength of the penalty.
    width : int
        Number of random features. Time and memory grow with its square.
    standardize : bool
    select : int or None
    class_weight : None, 'balanced' or mapping of class to weight
    random_state : int, RandomState or None
        Of ``W``.

    Attributes
    ----------
    seed_ : int
        Gives ``W`` back: see ``RandomMatrix``.
    coef_ : ndarray, shape (m, width)
    """

    joint_params = ("alpha",)
    _rules: ClassVar = {
        "alpha": number(0),
        "width": whole(1),
        "standardize": FLAG,
        "select": SELECT,
        "class_weight": CLASS_WEIGHT,
        "random_state": SEED,
    }
    _array_rules: ClassVar[dict[str, ArrayRule]] = {
        "seed": ArrayRule((), "i"),
        "n_inputs": ArrayRule((), "i"),
        "coef": ArrayRule(("m", "w")),
        "intercept": ArrayRule(("m",)),
        "temperature": ArrayRule((), positive=True),
    }
    seed_: int
    n_inputs_: int
    _projection: RandomMatrix

    def __init__(
        self,
        alpha: float = 1000.0,
        *,
        width: int = 2048,
        standardize: bool = True,
        select: Any = None,
        class_weight: Any = None,
        random_state: Any = 0,
    ) -> None:
        self.alpha = alpha
        self.width = width
        self.standardize = standardize
        self.select = select
        self.class_weight = class_weight
        self.random_state = random_state

    @classmethod
    def _fit_jointly(cls, heads: Sequence[Self], data: Training) -> None:
        first = heads[0]
        first._fit_scaler(data)
        first._draw(int(data.X.shape[1]))
        ridges = [RidgeHead(head.alpha, standardize=False) for head in heads]
        hidden = replace(data, X=_Projected(first, data.X), widths=())
        fit_ridges(ridges, hidden)
        for head, ridge in zip(heads, ridges, strict=True):
            head._take_scale(first)
            head.seed_, head.n_inputs_ = first.seed_, first.n_inputs_
            head._projection = first._projection
            head.coef_, head.intercept_ = ridge.coef_, ridge.intercept_
            head.temperature_ = ridge.temperature_

    def _draw(self, n_features: int) -> None:
        state = self.random_state
        is_seed = isinstance(state, int | np.integer)
        self.seed_ = int(state if is_seed else check_random_state(state).randint(2**31))
        self.n_inputs_ = n_features
        self._projection = RandomMatrix(self.seed_, n_features, int(self.width))

    def _project(self, block: Floats) -> Floats:
        """Return the random features of a block of scaled ones."""
        projected: Floats = block @ self._projection.array.astype(block.dtype, copy=False)
        return np.maximum(projected, 0, out=projected)

    def _decide(self, block: Floats) -> Floats:
        return super()._decide(self._project(block))

    def _decision_width(self) -> int:
        return max(int(self.width), len(self.classes_))

    def matrix_width(self, n_features: int) -> int:
        """Return the columns of the largest square matrix that training holds."""
        return max(int(self.width), n_features)

    def multiply_adds(self) -> int:
        """Return the multiply-adds that one row takes, those of the projection included."""
        return super().multiply_adds() + self.n_inputs_ * int(self.width)

    def _restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        width, n_features = int(arrays["coef"].shape[1]), int(self.n_inputs_)
        is_scaled = "mean" not in arrays or len(arrays["mean"]) == n_features
        if width != self.width or n_features < 1 or self.seed_ < 0 or not is_scaled:
            raise ModelFileError("the head's projection does not fit its other arrays")
        self.n_features_in_ = n_features
        self._projection = RandomMatrix(self.seed_, n_features, width)


class _Projected:
    """The random features of training rows, computed as they are indexed."""

    ndim = 2

    def __init__(self, head: RandomProjectionHead, X: Any) -> None:
        self._head, self._X = head, X
        self.working_bytes = free_bytes(X)
        self.dtype = compute_dtype(X.dtype)
        self.shape = (int(X.shape[0]), int(head.width))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        block = np.asarray(self._X[rows], self.dtype)
        return self._head._project(self._head._scaled(block))
