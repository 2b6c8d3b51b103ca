"""Training kernel machines on two classes at a time, by compiled steps over float32 kernels.

Where the compiled code is missing, libsvm solves the same problem: see ``svm_solve``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bf16_matmul import FastProduct, is_worth_compiling
from ..neighbours.distances import squared_distances, squared_norms
from ..row_blocks import Floats, Ints, block_rows, row_slices
from .svm_problem import GroupSolution, Limits, Sorted, Task

try:
    from . import _smo
except ImportError:  # no compiler was there when the package was installed
    IS_COMPILED = False
else:
    IS_COMPILED = True

EXP_BYTES = 1 << 20
NO_LIMIT = -2
F32 = NDArray[np.float32]
Kernels = tuple[F32, F32, F32, F32]


class PairTrainer:
    """Trains all tasks on one pair of classes at a time; pairs may run in threads.

    Kernels within a class serve all of its pairs. They are kept, as distances if there are several
    values of gamma: ``n_samples**2 / n_classes`` numbers for even classes.

    Parameters
    ----------
    samples : Sorted
    tasks : sequence of Task
    limits : Limits
    """

    def __init__(self, samples: Sorted, tasks: Sequence[Task], limits: Limits) -> None:
        self._samples, self._tasks, self._limits = samples, tasks, limits
        self._counts = np.bincount(samples.y)
        self._stops = np.cumsum(self._counts)
        self._norms = squared_norms(samples.X)
        self._gammas = sorted({task.gamma for task in tasks})
        self._spare: SimpleQueue[_Space] = SimpleQueue()
        self._products = self._compiled_products()
        with ThreadPoolExecutor(os.cpu_count() if self._products[0] else 1) as pool:
            self._within = list(pool.map(self._own, range(len(self._counts))))

    def train(self, pair: tuple[int, ...]) -> list[tuple[int, GroupSolution]]:
        """Train all tasks on the classes ``pair``; return each with its task's index."""
        space = _Space() if self._spare.empty() else self._spare.get()
        found = []
        for gamma, kernels in self._kernels(pair, space):
            members = [i for i, task in enumerate(self._tasks) if task.gamma == gamma]
            found += [(i, self._solve(self._tasks[i], pair, kernels)) for i in members]
        self._spare.put(space)
        return found

    def _rows(self, label: int) -> slice:
        stop = int(self._stops[label])
        return slice(stop - int(self._counts[label]), stop)

    def _distances(self, a: int, b: int, out: Floats | None = None) -> Floats:
        X, rows = self._samples.X, self._rows(b)
        product = self._products[b]
        return squared_distances(X[self._rows(a)], X[rows], self._norms[rows], out, product)

    def _compiled_products(self) -> list[FastProduct | None]:
        """Return a product with the samples of each class where that pays."""
        X, n_classes = self._samples.X, len(self._counts)
        parts = [X[self._rows(label)] for label in range(n_classes)]
        if not is_worth_compiling(len(X) // n_classes, max(parts, key=len)):
            return [None] * n_classes
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(lambda part: FastProduct(part, is_split=True), parts))

    def _own(self, label: int) -> Floats:
        block = self._distances(label, label)
        np.fill_diagonal(block, 0)
        if len(self._gammas) > 1:
            return block
        return rbf(block, self._gammas[0], _like(block))

    def _kernels(self, pair: tuple[int, ...], space: _Space) -> Iterator[tuple[float, Kernels]]:
        """Yield the kernel blocks of both classes for each gamma, good until the next is made."""
        a, b = pair
        n_a, n_b = int(self._counts[a]), int(self._counts[b])
        dtype = self._samples.X.dtype
        between = self._distances(a, b, space.array("between", (n_a, n_b), dtype))
        for gamma in self._gammas:
            own = [self._within[a], self._within[b]]
            if len(self._gammas) > 1:
                own = [rbf(d, gamma, space.array(f"own {i}", d.shape)) for i, d in enumerate(own)]
            cross = rbf(between, gamma, space.array("cross", (n_a, n_b)))
            turned = space.array("turned", (n_b, n_a))
            _smo.transpose(cross, turned, (n_a, n_b))
            yield gamma, (own[0], cross, turned, own[1])

    def _solve(self, task: Task, pair: tuple[int, ...], kernels: Kernels) -> GroupSolution:
        rows = [self._rows(label) for label in pair]
        positions = np.concatenate([np.arange(part.start, part.stop) for part in rows])
        bound = task.C * self._samples.weight[positions]
        if task.rows is not None:
            bound[~task.rows[positions]] = 0
        alpha = np.empty(len(positions))
        sizes = (len(kernels[0]), len(kernels[3]))
        limit = NO_LIMIT if self._limits.max_iter < 0 else self._limits.max_iter
        n_iter, intercept = _smo.solve(kernels, sizes, bound, alpha, self._limits.tol, limit)
        return self._solution(pair, positions, alpha, (n_iter, intercept))

    def _solution(
        self,
        pair: tuple[int, ...],
        positions: Ints,
        alpha: NDArray[np.float64],
        found: tuple[int, float],
    ) -> GroupSolution:
        chosen = np.flatnonzero(alpha)
        support = positions[chosen]
        own = self._samples.y[support]
        dual = np.where(own == pair[0], alpha[chosen], -alpha[chosen])
        n_iter, intercept = found
        return GroupSolution(
            labels=np.array(pair),
            support=support,
            own=own,
            dual=dual[None, :],
            intercept=np.array([intercept]),
            n_iter=n_iter if n_iter >= 0 else self._limits.max_iter,
            converged=n_iter >= 0,
        )


class _Space:
    """Memory that blocks are computed in again and again."""

    def __init__(self) -> None:
        self._buffers: dict[str, NDArray[Any]] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: Any = np.float32) -> NDArray[Any]:
        """Return an array of undefined numbers, good until the next of that name."""
        size = int(np.prod(shape))
        if len(self._buffers.get(name, ())) < size:
            self._buffers[name] = np.empty(size, dtype)
        return self._buffers[name][:size].reshape(shape)


def rbf(distances: Floats, gamma: float, out: NDArray[np.float32]) -> NDArray[np.float32]:
    """Write ``exp(-gamma * distances)`` to ``out``, which may be ``distances`` itself."""
    factor = distances.dtype.type(-gamma)
    for rows in row_slices(len(out), block_rows(out.shape[1], 4, EXP_BYTES)):
        np.multiply(distances[rows], factor, out=out[rows], casting="same_kind")
        np.exp(out[rows], out=out[rows])
    return out


def _like(block: Floats) -> NDArray[np.float32]:
    return block if block.dtype == np.float32 else np.empty(block.shape, np.float32)
