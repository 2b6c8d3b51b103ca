"""What a kernel machine is trained on, and what training finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..row_blocks import Floats, Ints
from .one_vs_one import Machine, pairs


@dataclass(frozen=True)
class Task:
    """One machine to train.

    Attributes
    ----------
    gamma, C : float
    rows : ndarray of bool, shape (n_samples,), or None
        Samples to train on, in the order of ``Sorted.X``; all if None.
    """

    gamma: float
    C: float
    rows: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Sorted:
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


@dataclass(frozen=True)
class Limits:
    """When libsvm may stop: its tolerance, and its most iterations (-1: no limit)."""

    tol: float = 1e-3
    max_iter: int = -1


@dataclass(frozen=True)
class GroupSolution:
    """What libsvm found for one task among some classes, in libsvm's own signs.

    Attributes
    ----------
    labels : ndarray of int64, shape (n_labels,)
        The classes, ascending.
    support : ndarray of int64, shape (n_support,)
        Rows of ``Sorted.X``.
    own : ndarray of int64, shape (n_support,)
        Each one's class.
    dual : ndarray of float64, shape (n_labels - 1, n_support)
    intercept : ndarray of float64, shape (n_pairs,)
    n_iter : int
    converged : bool
    """

    labels: Ints
    support: Ints
    own: Ints
    dual: NDArray[np.float64]
    intercept: NDArray[np.float64]
    n_iter: int
    converged: bool


class Solution:
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
        self._n_classes = n_classes
        self.dual = np.zeros((n_classes - 1, n_samples))
        self.intercept = np.zeros(len(self._column))
        self.n_iter = 0
        self.converged = True

    def add(self, group: GroupSolution) -> None:
        """Write a group's coefficients to where its pairs stand among all classes."""
        for label in group.labels:
            columns = np.flatnonzero(group.own == label)
            opponents = group.labels[group.labels != label]
            rows = np.where(opponents > label, opponents - 1, opponents)
            self.dual[np.ix_(rows, group.support[columns])] = group.dual[:, columns]
        for (i, j), value in zip(pairs(len(group.labels)), group.intercept, strict=True):
            self.intercept[self._column[int(group.labels[i]), int(group.labels[j])]] = value
        self.n_iter = max(self.n_iter, group.n_iter)
        self.converged = self.converged and group.converged

    def support(self) -> Ints:
        """Return the support vectors' rows in ``Sorted.X``."""
        return np.flatnonzero(self.dual.any(axis=0))


def machines(samples: Sorted, solutions: Sequence[Solution], gamma: float) -> list[Machine]:
    """Return a machine of each solution; all share the support vectors of any, in one array.

    They are in the samples' float format.
    """
    kept = np.unique(np.concatenate([solution.support() for solution in solutions]))
    vectors, dtype = samples.X[kept], samples.X.dtype
    counts = np.bincount(samples.y[kept], minlength=len(solutions[0].dual) + 1)
    return [
        Machine(
            vectors,
            counts,
            np.ascontiguousarray(solution.dual[:, kept], dtype),
            solution.intercept.astype(dtype),
            gamma,
        )
        for solution in solutions
    ]
