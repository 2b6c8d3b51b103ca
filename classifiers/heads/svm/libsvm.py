"""Training SVMs on a group of classes with libsvm, from a kernel matrix by matrix products."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..matmul.distances import CACHED_BYTES, squared_distances
from ..row_blocks import Floats, Ints, block_rows, row_slices
from .tasks import GroupDual, Limits, SortedSamples, SVMTask

CACHE_MB = 400


class LibsvmTrainer:
    """Trains all tasks on one group of classes at a time; groups may run in threads."""

    def __init__(self, samples: SortedSamples, tasks: Sequence[SVMTask], limits: Limits) -> None:
        self._samples = samples
        self._tasks = tasks
        self._limits = limits

    def train(self, labels: tuple[int, ...]) -> list[tuple[int, GroupDual]]:
        """Train all tasks on the classes ``labels``; return each with its task's index."""
        positions = self._samples.positions(labels)
        distances = symmetric_distances(self._samples.X[positions])
        solved = []
        for gamma in sorted({task.gamma for task in self._tasks}):
            kernel = _rbf(distances, gamma)
            members = [i for i, task in enumerate(self._tasks) if task.gamma == gamma]
            solved += [(i, self._solve(self._tasks[i], kernel, positions)) for i in members]
        return solved

    def _solve(self, task: SVMTask, kernel: NDArray[np.float64], positions: Ints) -> GroupDual:
        """Train on a task's rows: the others get weight 0, so that no part is copied."""
        from sklearn import config_context
        from sklearn.svm import SVC

        y, weight = self._samples.y[positions], self._samples.weight[positions]
        if task.rows is not None:
            chosen = task.rows[positions]
            weight, positions = np.where(chosen, weight, 0), positions[chosen]
        model = SVC(
            C=task.C,
            kernel="precomputed",
            tol=self._limits.tol,
            max_iter=self._limits.max_iter,
            cache_size=CACHE_MB,
        )
        with config_context(assume_finite=True):
            model.fit(kernel, y, sample_weight=weight)
        # Support vectors are numbered among the samples with a positive weight.
        labels, support = np.unique(y), positions[model.support_]
        # scikit-learn turns libsvm's sign for two classes.
        sign = -1.0 if len(labels) == 2 else 1.0
        return GroupDual(
            labels=labels,
            support=support,
            support_labels=self._samples.y[support],
            dual=sign * np.asarray(model.dual_coef_),
            intercept=sign * model.intercept_,
            n_iter=int(np.max(model.n_iter_)),
            converged=model.fit_status_ == 0,
        )


def _rbf(distances: Floats, gamma: float) -> NDArray[np.float64]:
    """Return ``exp(-gamma * distances)`` in float64, which is what libsvm reads."""
    kernel = np.empty(distances.shape)
    for rows in row_slices(len(kernel), block_rows(len(kernel), 4, CACHED_BYTES)):
        kernel[rows] = np.exp(distances[rows] * distances.dtype.type(-gamma))
    return kernel


def symmetric_distances(X: Floats) -> Floats:
    """Return the squared distances of all pairs of rows, symmetric bit by bit, ``(n, n)``."""
    distances = squared_distances(X, X)
    # Rounding depends on the order of both rows' norms.
    np.maximum(distances, distances.T.copy(), out=distances)
    np.fill_diagonal(distances, 0)
    return distances
