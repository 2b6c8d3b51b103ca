"""What SVMs are trained on, and the dual coefficients that training gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..row_blocks import Floats, Ints
from .one_vs_one import OneVsOneModel, pairs


@dataclass(frozen=True)
class SVMTask:
    """One SVM to train.

    Attributes
    ----------
    gamma, C : float
    rows : ndarray of bool, shape (n_samples,), or None
        Samples to train on, in the order of ``SortedSamples.X``; all if None.
    """

    gamma: float
    C: float
    rows: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class SortedSamples:
    """Training samples sorted by class.

    Attributes
    ----------
    X : ndarray, shape (n_samples, n_features)
        Scaled, float32 or float64.
    y : ndarray of int64, shape (n_samples,)
        Ascending class indices; every index occurs.
    weight : ndarray of float64, shape (n_samples,)
    """

    X: Floats
    y: Ints
    weight: NDArray[np.float64]

    def positions(self, labels: Sequence[int]) -> Ints:
        """Return the rows of several classes, one class after the other."""
        bounds = [np.searchsorted(self.y, (label, label + 1)) for label in labels]
        return np.concatenate([np.arange(start, stop) for start, stop in bounds])


@dataclass(frozen=True)
class Limits:
    """When training stops: libsvm's tolerance, and the most iterations (-1: libsvm's own limit)."""

    tol: float = 1e-3
    max_iter: int = -1


@dataclass(frozen=True)
class GroupDual:
    """Dual coefficients of one task among some of the classes, in libsvm's own signs.

    Attributes
    ----------
    labels : ndarray of int64, shape (n_labels,)
        The classes, ascending.
    support : ndarray of int64, shape (n_support,)
        Rows of ``SortedSamples.X``.
    support_labels : ndarray of int64, shape (n_support,)
        The class of each support vector.
    dual : ndarray of float64, shape (n_labels - 1, n_support)
    intercept : ndarray of float64, shape (n_pairs,)
    n_iter : int
    converged : bool
    """

    labels: Ints
    support: Ints
    support_labels: Ints
    dual: NDArray[np.float64]
    intercept: NDArray[np.float64]
    n_iter: int
    converged: bool


class DualCoefficients:
    """The coefficients of all pairs of classes, gathered group by group.

    Attributes
    ----------
    dual : ndarray of float64, shape (n_classes - 1, n_samples)
    intercept : ndarray of float64, shape (n_pairs,)
    n_iter : int
        The most iterations of a pair.
    converged : bool
    """

    def __init__(self, n_classes: int, n_samples: int) -> None:
        self._column = {pair: column for column, pair in enumerate(pairs(n_classes))}
        self.dual = np.zeros((n_classes - 1, n_samples))
        self.intercept = np.zeros(len(self._column))
        self.n_iter = 0
        self.converged = True

    def add(self, group: GroupDual) -> None:
        """Write a group's coefficients to the places of its pairs among all classes."""
        labels = group.labels.tolist()
        for label in labels:
            is_of_label = group.support_labels == label
            columns = group.support[is_of_label]
            opponents = [opponent for opponent in labels if opponent != label]
            for opponent, values in zip(opponents, group.dual, strict=True):
                self.dual[opponent - (opponent > label)][columns] = values[is_of_label]
        for (i, j), value in zip(pairs(len(labels)), group.intercept, strict=True):
            self.intercept[self._column[labels[i], labels[j]]] = value
        self.n_iter = max(self.n_iter, group.n_iter)
        self.converged = self.converged and group.converged

    def support(self) -> Ints:
        """Return the support vectors' rows in ``SortedSamples.X``."""
        return np.flatnonzero(self.dual.any(axis=0))


def kernel_models(
    samples: SortedSamples, duals: Sequence[DualCoefficients], gamma: float
) -> list[OneVsOneModel]:
    """Return a model for each set of coefficients; all share one array of support vectors.

    They are in the samples' float format.
    """
    kept = np.unique(np.concatenate([dual.support() for dual in duals]))
    vectors, dtype = samples.X[kept], samples.X.dtype
    counts = np.bincount(samples.y[kept], minlength=len(duals[0].dual) + 1)
    return [
        OneVsOneModel(
            vectors,
            counts,
            np.ascontiguousarray(dual.dual[:, kept], dtype),
            dual.intercept.astype(dtype),
            gamma,
        )
        for dual in duals
    ]
