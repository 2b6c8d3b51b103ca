"""Training SVMs on a pair of classes by compiled steps over float32 kernels.

``_smo.solve`` finds what libsvm finds, several times sooner: kernels lie in memory, and a step is
three passes over neighbouring numbers. The tests hold it to a NumPy reference and to libsvm, which
does the same work where the compiled code is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....extractor.machine.hardware import n_usable_cores
from ..matmul.bf16_matmul import Bf16Product, is_worth_compiling
from ..matmul.distances import squared_distances, squared_norms
from ..matmul.threads import Spares, StopFlag, run_in_threads
from ..row_blocks import Floats, block_rows, row_slices
from .tasks import GroupDual, Limits, SortedSamples, SVMTask

try:
    from . import _smo
except ImportError:  # no compiler was there when the package was installed
    IS_COMPILED = False
else:
    IS_COMPILED = True

EXP_BYTES = 1 << 20
# Most kernel values of one class with several later ones that are computed together.
BLOCK_SIZE = 1 << 20
# libsvm's own limits.
MAX_ITER, MAX_ITER_PER_SAMPLE = 10_000_000, 100
F32 = NDArray[np.float32]
Kernels = tuple[F32, F32, F32, F32]
Unit = tuple[int, tuple[int, ...]]


class SmoTrainer:
    """Trains all tasks on the pairs of one class with some later classes; units may run in threads.

    Kernels within a class serve all pairs of that class. They are kept, as distances if there are
    several values of gamma: ``n_samples**2 / n_classes`` numbers for even classes. Kernels of a
    class with several small ones are computed as one block.

    Parameters
    ----------
    samples : SortedSamples
    tasks : sequence of SVMTask
    limits : Limits
    stop : StopFlag
        Ends training early.
    """

    def __init__(
        self, samples: SortedSamples, tasks: Sequence[SVMTask], limits: Limits, stop: StopFlag
    ) -> None:
        self._samples, self._tasks, self._limits, self._stop = samples, tasks, limits, stop
        stops = np.cumsum(np.bincount(samples.y)).tolist()
        self._rows = [slice(a, b) for a, b in zip([0, *stops], stops, strict=False)]
        self._norms = squared_norms(samples.X)
        self._gammas = sorted({task.gamma for task in tasks})
        self._bounds = [_bounds(task, samples.weight) for task in tasks]
        self._buffers = Spares(_Buffers)
        self._products = self._compiled_products()
        labels = range(len(stops))
        self._within = list(run_in_threads(self._kernel_within, labels, n_usable_cores()))

    def units(self) -> Iterator[Unit]:
        """Iterate over all pairs: a class, and later classes whose kernels make one block."""
        n_rows = [rows.stop - rows.start for rows in self._rows]
        for a, n_first in enumerate(n_rows):
            later: list[int] = []
            size = 0
            for b in range(a + 1, len(n_rows)):
                size += n_first * n_rows[b]
                if later and (size > BLOCK_SIZE or self._products[b]):
                    yield a, tuple(later)
                    later, size = [], n_first * n_rows[b]
                later.append(b)
            if later:
                yield a, tuple(later)

    def train(self, unit: Unit) -> list[tuple[int, GroupDual]]:
        """Train all tasks on the pairs of a unit; return each result with its task's index."""
        solved = []
        with self._buffers.borrow() as buffers:
            for gamma, pair, kernels in self._kernels(unit, buffers):
                members = [i for i, task in enumerate(self._tasks) if task.gamma == gamma]
                solved += [(i, self._solve(self._bounds[i], pair, kernels)) for i in members]
        return solved

    def _distances(self, a: int, later: Sequence[int], out: Floats | None = None) -> Floats:
        X, rows = self._samples.X, slice(self._rows[later[0]].start, self._rows[later[-1]].stop)
        product = self._products[later[0]] if len(later) == 1 else None
        return squared_distances(X[self._rows[a]], X[rows], self._norms[rows], out, product)

    def _compiled_products(self) -> list[Bf16Product | None]:
        """Return a product with the samples of each class where that pays."""
        parts = [self._samples.X[rows] for rows in self._rows]
        if not is_worth_compiling(len(self._samples.X) // len(parts), max(parts, key=len)):
            return [None] * len(parts)
        n_threads = n_usable_cores()
        return list(run_in_threads(lambda part: Bf16Product(part, is_split=True), parts, n_threads))

    def _kernel_within(self, label: int) -> Floats:
        """Return a class's kernel, or its distances if there are several values of gamma."""
        block = self._distances(label, [label])
        np.fill_diagonal(block, 0)
        if len(self._gammas) > 1:
            return block
        out = block if block.dtype == np.float32 else np.empty(block.shape, np.float32)
        return rbf(block, self._gammas[0], out)

    def _kernels(
        self, unit: Unit, buffers: _Buffers
    ) -> Iterator[tuple[float, tuple[int, int], Kernels]]:
        """Yield the kernel blocks of each pair for each gamma, good until the next are made."""
        a, later = unit
        sizes = [len(self._within[b]) for b in later]
        n_a, starts = len(self._within[a]), np.cumsum([0, *sizes]).tolist()
        between = buffers.array("between", (n_a, starts[-1]), self._samples.X.dtype)
        self._distances(a, later, between)
        for gamma in self._gammas:
            first = self._within_for(a, gamma, buffers, "first")
            block = buffers.array("block", between.shape)
            transposed = buffers.array("transposed", between.shape[::-1])
            rbf(between, gamma, block, transposed)
            for b, start, n_b in zip(later, starts, sizes, strict=False):
                cross = block
                if len(later) > 1:
                    cross = buffers.array("cross", (n_a, n_b))
                    cross[:] = block[:, start : start + n_b]
                second = self._within_for(b, gamma, buffers, "second")
                yield gamma, (a, b), (first, cross, transposed[start : start + n_b], second)

    def _within_for(self, label: int, gamma: float, buffers: _Buffers, name: str) -> Floats:
        block = self._within[label]
        if len(self._gammas) == 1:
            return block
        return rbf(block, gamma, buffers.array(name, block.shape))

    def _solve(
        self, bounds: NDArray[np.float64], pair: tuple[int, int], kernels: Kernels
    ) -> GroupDual:
        a, b = (self._rows[label] for label in pair)
        bound = np.concatenate((bounds[a], bounds[b]))
        alpha = np.empty(len(bound))
        sizes = n_a, _ = len(kernels[0]), len(kernels[3])
        limit = self._limits.max_iter
        if limit < 0:
            limit = max(MAX_ITER, MAX_ITER_PER_SAMPLE * len(bound))
        n_iter, converged, intercept = _smo.solve(
            kernels, sizes, bound, alpha, self._limits.tol, limit, self._stop.byte
        )
        chosen = np.flatnonzero(alpha)
        is_first = chosen < n_a
        return GroupDual(
            labels=np.array(pair),
            support=chosen + np.where(is_first, a.start, b.start - n_a),
            support_labels=np.where(is_first, *pair),
            dual=np.where(is_first, alpha[chosen], -alpha[chosen])[None, :],
            intercept=np.array([intercept]),
            n_iter=n_iter,
            converged=converged,
        )


def _bounds(task: SVMTask, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest coefficient of each sample; 0 for those that the task leaves out."""
    bounds = task.C * weight
    return bounds if task.rows is None else np.where(task.rows, bounds, 0)


class _Buffers:
    """Memory that blocks are computed in again and again: fresh pages cost more than sums."""

    def __init__(self) -> None:
        self._by_name: dict[str, NDArray[Any]] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: Any = np.float32) -> NDArray[Any]:
        """Return an array of undefined numbers, good until the next of that name."""
        size = int(np.prod(shape))
        if len(self._by_name.get(name, ())) < size:
            self._by_name[name] = np.empty(size, dtype)
        return self._by_name[name][:size].reshape(shape)


def rbf(distances: Floats, gamma: float, out: F32, transposed: F32 | None = None) -> F32:
    """Write ``exp(-gamma * distances)`` to ``out``, which may be ``distances`` itself.

    The transposed matrix is written while its numbers are in the processor's cache.
    """
    factor = distances.dtype.type(-gamma)
    for rows in row_slices(len(out), block_rows(out.shape[1], 4, EXP_BYTES)):
        np.multiply(distances[rows], factor, out=out[rows], casting="same_kind")
        np.exp(out[rows], out=out[rows])
        if transposed is not None:
            transposed[:, rows] = out[rows].T
    return out
