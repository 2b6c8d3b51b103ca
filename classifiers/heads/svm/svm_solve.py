"""Training kernel machines: one set of distances for every C, gamma and fold.

libsvm (through scikit-learn) spends nearly all of its time on kernel values, one dot product at a
time. Here the kernel matrix comes from matrix products and libsvm only solves: the same optimum,
many times sooner. One-against-one training needs the matrix of two classes at a time, so memory
grows with the largest pair of classes, not with the whole set, and pairs are solved side by side.
Where our compiled code is there, it takes libsvm's steps in the pairs, several times sooner again.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from ..neighbours.distances import squared_norms
from ..row_blocks import Ints
from .gram import ClassBlocks, Workspace, rbf_matrix
from .one_vs_one import pairs
from .svm_pairs import IS_COMPILED, PairTrainer
from .svm_problem import GroupSolution, Limits, Solution, Sorted, Task

WHOLE_BYTES = 1 << 27
WORKING_BYTES = 1 << 31
CACHE_MB = 400


def solve_tasks(samples: Sorted, tasks: Sequence[Task], limits: Limits) -> list[Solution]:
    """Train every task from one computation of the distances.

    Parameters
    ----------
    samples : Sorted
    tasks : sequence of Task
        Those with one gamma share a kernel matrix.
    limits : Limits

    Returns
    -------
    list of Solution
        In the order of ``tasks``.
    """
    counts = np.bincount(samples.y)
    n_samples, n_classes = len(samples.y), len(counts)
    groups: list[tuple[int, ...]] = list(pairs(n_classes))
    if n_samples**2 * 8 <= WHOLE_BYTES:
        groups = [tuple(range(n_classes))]
    solutions = [Solution(n_classes, n_samples) for _ in tasks]
    trainer: PairTrainer | _Trainer
    if IS_COMPILED and len(groups[0]) == 2 and _is_bounded(samples):
        trainer = PairTrainer(samples, tasks, limits)
    else:
        trainer = _Trainer(samples, tasks, limits, ClassBlocks(samples.X, counts))
    # Filters are the process's: set once, around all threads.
    with warnings.catch_warnings(), ThreadPoolExecutor(_n_threads(groups, counts)) as pool:
        warnings.simplefilter("ignore")
        for found in pool.map(trainer.train, groups):
            for i, group in found:
                solutions[i].add(group)
    return solutions


def _is_bounded(samples: Sorted) -> bool:
    """Say whether squared distances are numbers of float32: the compiled code knows no others."""
    return bool(squared_norms(samples.X).max() < np.finfo(np.float32).max / 8)


def _n_threads(groups: Sequence[tuple[int, ...]], counts: Ints) -> int:
    """Return how many groups' matrices are held at once: one for each core, if memory allows."""
    largest = max(int(counts[list(labels)].sum()) for labels in groups[: 1 << 16])
    affordable = WORKING_BYTES // (8 * largest**2 + 1)
    return max(1, min(os.cpu_count() or 1, len(groups), affordable))


class _Trainer:
    """Trains all tasks on one group of classes at a time; groups may run in threads."""

    def __init__(
        self, samples: Sorted, tasks: Sequence[Task], limits: Limits, blocks: ClassBlocks
    ) -> None:
        self._samples = samples
        self._tasks = tasks
        self._limits = limits
        self._blocks = blocks
        self._order = sorted(range(len(tasks)), key=lambda i: tasks[i].gamma)
        self._spare: SimpleQueue[Workspace] = SimpleQueue()

    def train(self, labels: tuple[int, ...]) -> list[tuple[int, GroupSolution]]:
        """Train all tasks on the classes ``labels``; return each with its task's index."""
        space = Workspace() if self._spare.empty() else self._spare.get()
        distances, positions = self._blocks.distances(labels), self._blocks.positions(labels)
        found = []
        for gamma, members in groupby(self._order, key=lambda i: self._tasks[i].gamma):
            kernel = rbf_matrix(distances, labels, gamma, space)
            found += [(i, self._solve(self._tasks[i], kernel, positions)) for i in members]
        self._spare.put(space)
        return found

    def _solve(self, task: Task, kernel: NDArray[np.float64], positions: Ints) -> GroupSolution:
        """Train on a task's rows: libsvm leaves out what weighs nothing, which costs no copy."""
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
        # Support vectors are numbered among the samples that weigh something.
        labels, support = np.unique(y), positions[model.support_]
        # scikit-learn turns the sign of two classes; libsvm's own is kept here.
        sign = -1.0 if len(labels) == 2 else 1.0
        return GroupSolution(
            labels=labels,
            support=support,
            own=self._samples.y[support],
            dual=sign * np.asarray(model.dual_coef_),
            intercept=sign * model.intercept_,
            n_iter=int(np.max(model.n_iter_)),
            converged=model.fit_status_ == 0,
        )
