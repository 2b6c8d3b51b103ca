"""Linear discriminant analysis with a shrunk covariance, in closed form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from ..linear.heads import LinearHead
from ..parameter_checks import CLASS_WEIGHT, FLAG, SELECT, number, one_of
from ..row_blocks import Floats, iter_blocks
from ..training_data import Training

F64 = NDArray[np.float64]


class LDAHead(LinearHead):
    """Linear discriminant analysis: Gaussian classes with one covariance, which is shrunk.

    It equals scikit-learn's ``LinearDiscriminantAnalysis(solver="lsqr")`` on scaled features. One
    matrix of second moments serves all values of ``shrinkage`` that are numbers; 'auto' takes one
    more.

    Parameters
    ----------
    shrinkage : 'auto' or float in [0, 1)
        Share of the identity, times the mean variance, in each class's covariance. ``auto`` takes
        the share of Ledoit & Wolf (2004, "A well-conditioned estimator for large-dimensional
        covariance matrices") for each class.
    priors : 'empirical' or 'uniform'
        ``empirical`` takes the classes' shares of the weights. ``uniform`` weighs classes alike:
        the head then is the nearest class mean in whitened features.
    standardize : bool
    select : int or None
    class_weight : None, 'balanced' or mapping of class to weight
        Multiplies the empirical priors.
    """

    joint_params = ("shrinkage", "priors")
    _rules: ClassVar = {
        "shrinkage": one_of("auto") | number(0, 1, closed=True),
        "priors": one_of("empirical", "uniform"),
        "standardize": FLAG,
        "select": SELECT,
        "class_weight": CLASS_WEIGHT,
    }

    def __init__(
        self,
        shrinkage: Any = "auto",
        *,
        priors: str = "empirical",
        standardize: bool = True,
        select: Any = None,
        class_weight: Any = None,
    ) -> None:
        self.shrinkage = shrinkage
        self.priors = priors
        self.standardize = standardize
        self.select = select
        self.class_weight = class_weight

    @classmethod
    def _fit_jointly(cls, heads: Sequence[Self], data: Training) -> None:
        first = heads[0]
        first._fit_scaler(data)
        samples = _ScaledSamples.measure(first, data)
        totals = np.bincount(data.y, weights=data.weights, minlength=data.n_classes)
        uniform = np.full(data.n_classes, 1 / data.n_classes)
        priors = {"empirical": totals / totals.sum(), "uniform": uniform}
        covariances: dict[Any, F64] = {}
        for head in heads:
            head._take_scale(first)
            key = (head.shrinkage == "auto", head.priors)
            if key not in covariances:
                covariances[key] = samples.covariance(priors[head.priors], is_auto=key[0])
            covariance = covariances[key]
            if not key[0]:
                covariance = _shrunk(covariance, float(head.shrinkage))
            head._solve(samples.means, covariance, priors[head.priors], data.dtype)

    def _solve(self, means: F64, covariance: F64, priors: F64, dtype: np.dtype[Any]) -> None:
        coef = _solve_symmetric(covariance, means.T).T
        intercept = np.log(priors) - 0.5 * np.einsum("kd,kd->k", means, coef)
        if len(means) == 2:
            coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
        self._set_weights(coef, intercept, dtype)
        self.temperature_ = 1.0


@dataclass(frozen=True)
class _ScaledSamples:
    """Training samples as the head sees them, with each class's moments.

    Attributes
    ----------
    head : LDAHead
        Scales the features.
    data : Training
    counts : ndarray of float64, shape (n_classes,)
        Sums of the sample weights: a weight stands for so many equal samples.
    means, variances : ndarray of float64, shape (n_classes, n_features)
    """

    head: LDAHead
    data: Training
    counts: F64
    means: F64
    variances: F64

    @classmethod
    def measure(cls, head: LDAHead, data: Training) -> _ScaledSamples:
        """Measure means and variances of the classes, in two passes over the features."""
        weight = _sample_weights(data)
        counts = np.bincount(data.y, weight, data.n_classes).astype(np.float64)
        zero = np.zeros((data.n_classes, data.X.shape[1]))
        sums = cls(head, data, counts, zero, zero)._class_sums(lambda centred: centred)
        means = sums / counts[:, None]
        squares = cls(head, data, counts, means, zero)._class_sums(np.square)
        return cls(head, data, counts, means, squares / counts[:, None])

    def covariance(self, priors: F64, is_auto: bool) -> F64:
        """Return the mean covariance of the classes; with ``is_auto``, each shrunk by its share."""
        shares = self._ledoit_wolf_shares() if is_auto else np.zeros(len(priors))
        weights = (priors * (1 - shares) / self.counts)[self.data.y] * _sample_weights(self.data)
        total = np.zeros((self.means.shape[1],) * 2)
        for rows, centred in self._centred():
            rooted = centred * np.sqrt(weights[rows]).astype(centred.dtype)[:, None]
            total += rooted.T @ rooted
        identity_scale = self._scales**2 * self._mean_correlation[:, None]
        total[np.diag_indices(len(total))] += (priors * shares) @ identity_scale
        return total

    @property
    def _scales(self) -> F64:
        """Each class's standard deviations; 1 where a feature is constant but for rounding."""
        error = self.counts[:, None] * np.finfo(self.data.dtype).eps
        is_constant = self.variances <= error * self.variances + (error * self.means) ** 2
        return np.sqrt(np.where(is_constant, 1.0, self.variances))

    @property
    def _mean_correlation(self) -> F64:
        """Mean of the diagonal of each class's correlation matrix, which is 0 where constant."""
        return np.asarray((self.variances / self._scales**2).mean(axis=1))

    def _ledoit_wolf_shares(self) -> F64:
        """Return each class's shrinkage by Ledoit & Wolf, of its standardised features."""
        n_features, scales = self.means.shape[1], self._scales
        traces = self._mean_correlation * n_features
        shares = np.zeros(len(self.counts))
        for label, count in enumerate(self.counts.tolist()):
            fourth, squares = self._fourth_moments(label, scales[label])
            squares /= count**2
            beta = (fourth / count - squares) / (n_features * count)
            delta = (squares - traces[label] ** 2 / n_features) / n_features
            beta = min(beta, delta)
            shares[label] = beta / delta if beta > 0 else 0.0
        return shares

    def _fourth_moments(self, label: int, scale: F64) -> tuple[float, float]:
        """Return the sum of ``|z|^4`` of a class's standardised rows, and of ``(Z'Z)^2``."""
        members = np.flatnonzero(self.data.y == label)
        part, dtype = self.data.take(members), self.data.dtype
        weight = _sample_weights(part)
        n_features = len(scale)
        is_wide = len(members) <= n_features
        product = np.zeros((len(members) if is_wide else n_features,) * 2)
        fourth, left = 0.0, np.empty((len(members) if is_wide else 0, n_features), dtype)
        for rows, block in iter_blocks(part.X, dtype):
            z = (self.head._scaled(block) - self.means[label]) / scale
            fourth += float(weight[rows] @ np.square(z).sum(axis=1) ** 2)
            rooted = (z * np.sqrt(weight[rows])[:, None]).astype(dtype)
            if is_wide:
                left[rows] = rooted
            else:
                product += rooted.T @ rooted
        if is_wide:
            product = (left @ left.T).astype(np.float64)
        return fourth, float(np.vdot(product, product))

    def _centred(self) -> Iterator[tuple[slice, Floats]]:
        """Iterate over blocks of scaled rows less the means of their classes."""
        for rows, block in iter_blocks(self.data.X, self.data.dtype, self.data.n_classes):
            means = self.means.astype(block.dtype)[self.data.y[rows]]
            yield rows, self.head._scaled(block) - means

    def _class_sums(self, function: Any) -> F64:
        """Return the weighted sum over each class of a function of the centred rows."""
        weight, sums = _sample_weights(self.data), np.zeros_like(self.means)
        for rows, centred in self._centred():
            members = np.zeros((len(sums), len(centred)), centred.dtype)
            members[self.data.y[rows], np.arange(len(centred))] = weight[rows]
            sums += members @ function(centred)
        return sums


def _solve_symmetric(matrix: F64, right: F64) -> F64:
    """Solve where a matrix is positive semidefinite but for rounding."""
    try:
        factor = cho_factor(matrix, lower=True, check_finite=False)
        return np.asarray(cho_solve(factor, right, check_finite=False))
    except np.linalg.LinAlgError:
        pass
    try:
        return np.asarray(np.linalg.solve(matrix, right))
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(matrix, right, rcond=None)[0])


def _sample_weights(data: Training) -> F64:
    return np.ones(len(data.y)) if data.sample_weight is None else data.sample_weight


def _shrunk(covariance: F64, share: float) -> F64:
    """Return ``(1 - share) * covariance + share * mean variance * I``."""
    result = covariance * (1 - share)
    result[np.diag_indices(len(result))] += share * float(np.trace(covariance)) / len(covariance)
    return result
