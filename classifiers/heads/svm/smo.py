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
# libsvm's own limits.
MAX_ITER, MAX_ITER_PER_SAMPLE = 10_000_000, 100
F32 = NDArray[np.float32]
Kernels = tuple[F32, F32, F32, F32]


class SmoTrainer:
    """Trains all tasks on one pair of classes at a time; pairs may run in threads.

    Kernels within a class serve all pairs of that class. They are kept, as distances if there are
    several values of gamma: ``n_samples**2 / n_classes`` numbers for even classes.

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
        self._buffers = Spares(_Buffers)
        self._products = self._compiled_products()
        labels = range(len(stops))
        self._within = list(run_in_threads(self._kernel_within, labels, n_usable_cores()))

    def train(self, pair: tuple[int, ...]) -> list[tuple[int, GroupDual]]:
        """Train all tasks on the classes ``pair``; return each with its task's index."""
        solved = []
        with self._buffers.borrow() as buffers:
            for gamma, kernels in self._kernels(pair, buffers):
                members = [i for i, task in enumerate(self._tasks) if task.gamma == gamma]
                solved += [(i, self._solve(self._tasks[i], pair, kernels)) for i in members]
        return solved

    def _distances(self, a: int, b: int, out: Floats | None = None) -> Floats:
        X, rows = self._samples.X, self._rows[b]
        product = self._products[b]
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
        block = self._distances(label, label)
        np.fill_diagonal(block, 0)
        if len(self._gammas) > 1:
            return block
        out = block if block.dtype == np.float32 else np.empty(block.shape, np.float32)
        return rbf(block, self._gammas[0], out)

    def _kernels(self, pair: tuple[int, ...], buffers: _Buffers) -> Iterator[tuple[float, Kernels]]:
        """Yield the kernel blocks of both classes for each gamma, good until the next is made."""
        a, b = pair
        n_a, n_b = len(self._within[a]), len(self._within[b])
        between = buffers.array("between", (n_a, n_b), self._samples.X.dtype)
        self._distances(a, b, between)
        for gamma in self._gammas:
            within = [self._within[a], self._within[b]]
            if len(self._gammas) > 1:
                within = [
                    rbf(block, gamma, buffers.array(f"within {i}", block.shape))
                    for i, block in enumerate(within)
                ]
            cross, transposed = (
                buffers.array("cross", (n_a, n_b)),
                buffers.array("transposed", (n_b, n_a)),
            )
            rbf(between, gamma, cross, transposed)
            yield gamma, (within[0], cross, transposed, within[1])

    def _solve(self, task: SVMTask, pair: tuple[int, ...], kernels: Kernels) -> GroupDual:
        positions = self._samples.positions(pair)
        bound = task.C * self._samples.weight[positions]
        if task.rows is not None:
            bound[~task.rows[positions]] = 0
        alpha = np.empty(len(positions))
        sizes = (len(kernels[0]), len(kernels[3]))
        limit = self._limits.max_iter
        if limit < 0:
            limit = max(MAX_ITER, MAX_ITER_PER_SAMPLE * len(positions))
        n_iter, converged, intercept = _smo.solve(
            kernels, sizes, bound, alpha, self._limits.tol, limit, self._stop.byte
        )
        chosen = np.flatnonzero(alpha)
        labels = self._samples.y[positions[chosen]]
        return GroupDual(
            labels=np.array(pair),
            support=positions[chosen],
            support_labels=labels,
            dual=np.where(labels == pair[0], alpha[chosen], -alpha[chosen])[None, :],
            intercept=np.array([intercept]),
            n_iter=n_iter,
            converged=converged,
        )


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
