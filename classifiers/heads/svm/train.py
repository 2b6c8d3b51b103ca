"""Training SVMs on one set of samples: one set of distances for every C, gamma and fold.

libsvm spends nearly all of its time on kernel values, one dot product at a time. Here kernels come
from matrix products. Small sets are solved by libsvm (through scikit-learn) as a whole. Large sets
are solved one pair of classes at a time, so that memory grows with the largest pair only; there our
compiled code takes libsvm's steps. Without it, libsvm solves the pairs.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ....extractor.machine.hardware import n_usable_cores
from ..matmul.distances import squared_norms
from ..matmul.threads import StopFlag, run_in_threads
from ..row_blocks import Ints
from .libsvm import LibsvmTrainer
from .one_vs_one import pairs
from .smo import IS_COMPILED, SmoTrainer
from .tasks import DualCoefficients, Limits, SortedSamples, SVMTask

WHOLE_BYTES = 1 << 27
WORKING_BYTES = 1 << 31


def train_tasks(
    samples: SortedSamples, tasks: Sequence[SVMTask], limits: Limits
) -> list[DualCoefficients]:
    """Train every task.

    Parameters
    ----------
    samples : SortedSamples
    tasks : sequence of SVMTask
        Those with one gamma share a kernel matrix.
    limits : Limits

    Returns
    -------
    list of DualCoefficients
        In the order of ``tasks``.
    """
    counts = np.bincount(samples.y)
    n_samples, n_classes = len(samples.y), len(counts)
    groups: list[tuple[int, ...]] = list(pairs(n_classes))
    if n_samples**2 * 8 <= WHOLE_BYTES:
        groups = [tuple(range(n_classes))]
    duals = [DualCoefficients(n_classes, n_samples) for _ in tasks]
    stop = StopFlag()
    n_threads = _n_threads(groups, counts)
    # Threads of BLAS would wait for each other in the many short products of small classes.
    n_inner = max(1, n_usable_cores() // n_threads)
    # Filters are the process's: set once, around all threads.
    with warnings.catch_warnings(), threadpool_limits(n_inner, user_api="blas"):
        warnings.simplefilter("ignore")
        if IS_COMPILED and len(groups[0]) == 2 and _is_bounded(samples):
            smo = SmoTrainer(samples, tasks, limits, stop)
            parts = run_in_threads(smo.train, smo.units(), n_threads, stop)
        else:
            libsvm = LibsvmTrainer(samples, tasks, limits)
            parts = run_in_threads(libsvm.train, groups, n_threads, stop)
        for solved in parts:
            for index, group in solved:
                duals[index].add(group)
    return duals


def _is_bounded(samples: SortedSamples) -> bool:
    """Say whether float32 holds all squared distances, as the compiled code needs."""
    return bool(squared_norms(samples.X).max() < np.finfo(np.float32).max / 8)


def _n_threads(groups: Sequence[tuple[int, ...]], counts: Ints) -> int:
    """Return how many groups' matrices are in memory at once: one for each core, if they fit."""
    largest = max(int(counts[list(labels)].sum()) for labels in groups[: 1 << 16])
    affordable = WORKING_BYTES // (8 * largest**2 + 1)
    return max(1, min(n_usable_cores(), len(groups), affordable))
