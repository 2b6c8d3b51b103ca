"""Training kernel machines: one set of distances for every C, gamma and fold.

libsvm (through scikit-learn) spends nearly all of its time on kernel values, one dot product at a
time. Here the kernel matrix comes from matrix products and libsvm only solves: the same optimum,
many times sooner. One-against-one training needs the matrix of two classes at a time, so memory
grows with the largest pair of classes, not with the whole set.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from .blocks import Floats, Ints
from .gram import ClassBlocks, rbf_matrix
from .machine import Machine, pairs

WHOLE_BYTES = 1 << 29
CACHE_MB = 400


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


@dataclass
class Solution:
    """What libsvm found, in the order of the training samples.

    Attributes
    ----------
    dual : ndarray of float64, shape (n_classes - 1, n_samples)
    intercept : ndarray of float64, shape (n_pairs,)
    n_iter : int
        The most iterations of a pair.
    converged : bool
    """

    dual: NDArray[np.float64]
    intercept: NDArray[np.float64]
    n_iter: int = 0
    converged: bool = True
    n_classes: int = field(default=2)

    def machine(self, samples: Sorted, gamma: float) -> Machine:
        """Keep the support vectors only, in the samples' float format."""
        kept = np.flatnonzero(self.dual.any(axis=0))
        dtype = samples.X.dtype
        return Machine(
            samples.X[kept],
            np.bincount(samples.y[kept], minlength=self.n_classes),
            np.ascontiguousarray(self.dual[:, kept], dtype),
            self.intercept.astype(dtype),
            gamma,
        )


def solve_tasks(
    samples: Sorted, tasks: Sequence[Task], limits: Limits, whole_bytes: int = WHOLE_BYTES
) -> list[Solution]:
    """Train every task from one computation of the distances.

    Parameters
    ----------
    samples : Sorted
    tasks : sequence of Task
        Those with one gamma share a kernel matrix.
    limits : Limits
    whole_bytes : int
        Up to this size the whole kernel matrix is made at once; above, that of two classes at a
        time.

    Returns
    -------
    list of Solution
        In the order of ``tasks``.
    """
    counts = np.bincount(samples.y)
    n_samples, n_classes = len(samples.y), len(counts)
    blocks = ClassBlocks(samples.X, counts)
    n_pairs = n_classes * (n_classes - 1) // 2
    solutions = [
        Solution(np.zeros((n_classes - 1, n_samples)), np.zeros(n_pairs), n_classes=n_classes)
        for _ in tasks
    ]
    groups: Iterable[tuple[int, ...]] = pairs(n_classes)
    if n_samples**2 * 8 <= whole_bytes:
        groups = [tuple(range(n_classes))]
    order = sorted(range(len(tasks)), key=lambda i: tasks[i].gamma)
    for labels in groups:
        distances, positions = blocks.distances(labels), blocks.positions(labels)
        for gamma, members in groupby(order, key=lambda i: tasks[i].gamma):
            kernel = rbf_matrix(distances, labels, gamma)
            for i in members:
                _solve_group(samples, tasks[i], limits, (kernel, positions), solutions[i])
    return solutions


def _solve_group(
    samples: Sorted,
    task: Task,
    limits: Limits,
    matrix: tuple[NDArray[np.float64], Ints],
    solution: Solution,
) -> None:
    """Train one task on the kernel matrix of some classes and write down what comes out."""
    from sklearn.svm import SVC

    kernel, positions = matrix
    if task.rows is not None:
        chosen = np.flatnonzero(task.rows[positions])
        kernel, positions = kernel[np.ix_(chosen, chosen)], positions[chosen]
    y = samples.y[positions]
    model = SVC(
        C=task.C,
        kernel="precomputed",
        tol=limits.tol,
        max_iter=limits.max_iter,
        cache_size=CACHE_MB,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(kernel, y, sample_weight=samples.weight[positions])
    labels = np.unique(y)
    # scikit-learn turns the sign of two classes; libsvm's own is kept here.
    sign = -1.0 if len(labels) == 2 else 1.0
    support = positions[model.support_]
    _write(solution, labels, support, samples.y[support], sign * np.asarray(model.dual_coef_))
    _write_intercept(solution, labels, sign * model.intercept_)
    solution.n_iter = max(solution.n_iter, int(np.max(model.n_iter_)))
    solution.converged = solution.converged and model.fit_status_ == 0


def _write(
    solution: Solution, labels: Ints, support: Ints, own: Ints, dual: NDArray[np.float64]
) -> None:
    """Write a group's coefficients to the rows that their opponents have among all classes."""
    for label in labels:
        columns = np.flatnonzero(own == label)
        opponents = labels[labels != label]
        rows = np.where(opponents > label, opponents - 1, opponents)
        solution.dual[np.ix_(rows, support[columns])] = dual[:, columns]


def _write_intercept(solution: Solution, labels: Ints, intercept: NDArray[np.float64]) -> None:
    place = {pair: column for column, pair in enumerate(pairs(solution.n_classes))}
    for (i, j), value in zip(pairs(len(labels)), intercept, strict=True):
        solution.intercept[place[int(labels[i]), int(labels[j])]] = value
