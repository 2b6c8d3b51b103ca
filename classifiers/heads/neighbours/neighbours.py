"""Nearest samples: candidates from fast products, then exact distances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ....extractor.bfloat16 import to_bfloat16
from ....extractor.machine.hardware import n_usable_cores
from ..matmul.bf16_matmul import Bf16Product, is_worth_compiling
from ..matmul.distances import CACHED_BYTES, squared_distances, squared_norms
from ..matmul.threads import run_in_threads
from ..row_blocks import Floats, block_rows, row_slices

GROUP = 64
# Additional candidates: bfloat16 does not order samples of nearly equal distance.
MORE = 28
QUERY_BYTES = 1 << 26
QUERY_ROWS = 256
GATHER_BYTES = 1 << 21
Neighbours = tuple[NDArray[np.intp], Floats]


class Search:
    """The nearest of some samples, for many queries.

    Products in bfloat16 choose the candidates where the processor has faster ones. Their error has
    a bound (by Cauchy and Schwarz, from the rounding errors of the rows). Where the bound does not
    exclude that a neighbour is missing, the row is searched again in float32.

    Parameters
    ----------
    samples : ndarray, shape (n_samples, n_features)
    n_queries : int
        About how many rows will be looked up.
    """

    def __init__(self, samples: Floats, n_queries: int) -> None:
        self._samples, self._norms = samples, squared_norms(samples)
        self._product = None
        if is_worth_compiling(n_queries, samples):
            self._product = Bf16Product(samples, is_split=False)
            self._longest = float(np.sqrt(self._norms.max()))
            self._largest_rounding = max(
                float(_rounding(samples[rows]).max()) for rows in _parts(samples)
            )

    def nearest(self, queries: Floats, n_neighbors: int) -> Neighbours:
        """Return the nearest samples of each query and their distances, nearest first.

        Parameters
        ----------
        queries : ndarray, shape (n, n_features)
            Of the samples' dtype.
        n_neighbors : int

        Returns
        -------
        tuple of ndarray, each of shape (n, n_neighbors)
        """
        step = block_rows(len(self._samples), queries.dtype.itemsize, QUERY_BYTES)
        parts = [queries[rows] for rows in row_slices(len(queries), min(step, QUERY_ROWS))]
        product = self._product
        if product is None or n_neighbors + MORE > len(self._samples):
            results = [self._exactly(part, n_neighbors) for part in parts]
        else:
            results = list(
                run_in_threads(
                    lambda part: self._fast(part, n_neighbors, product), parts, n_usable_cores()
                )
            )
        nearest, distance = zip(*results, strict=True)
        return np.concatenate(nearest), np.concatenate(distance)

    def _exactly(self, queries: Floats, n_neighbors: int) -> Neighbours:
        squared = squared_distances(queries, self._samples, self._norms)
        nearest = nearest_columns(squared, n_neighbors)
        order = np.argsort(np.take_along_axis(squared, nearest, axis=1), axis=1, kind="stable")
        nearest = np.take_along_axis(nearest, order, axis=1)
        return nearest, exact_distances(queries, self._samples, nearest)

    def _fast(self, queries: Floats, n_neighbors: int, product: Bf16Product) -> Neighbours:
        # The state is the thread's; the caller has set it for its own thread.
        with np.errstate(over="ignore", invalid="ignore"):
            ranks = self._ranks(queries, product)
            nearest = np.sort(nearest_columns(ranks, n_neighbors + MORE), axis=1)
            sorted_ranks = np.sort(np.take_along_axis(ranks, nearest, axis=1), axis=1)
            last_neighbour, last_candidate = sorted_ranks[:, n_neighbors - 1], sorted_ranks[:, -1]
            is_sure = last_candidate > last_neighbour + 2 * self._error(queries)
            distance = exact_distances(queries, self._samples, nearest)
            order = np.argsort(distance, axis=1, kind="stable")[:, :n_neighbors]
            nearest = np.take_along_axis(nearest, order, axis=1)
            distance = np.take_along_axis(distance, order, axis=1)
            if not is_sure.all():
                nearest[~is_sure], distance[~is_sure] = self._exactly(
                    queries[~is_sure], n_neighbors
                )
        return nearest, distance

    def _ranks(self, queries: Floats, product: Bf16Product) -> Floats:
        """Return ``|s|^2 - 2 q.s`` of each query and sample, with the product in bfloat16."""
        ranks = product.into(queries, np.empty((len(queries), len(self._samples)), np.float32))
        for rows in row_slices(len(ranks), block_rows(ranks.shape[1], 4, CACHED_BYTES)):
            ranks[rows] *= -2
            ranks[rows] += self._norms
        return ranks

    def _error(self, queries: Floats) -> Floats:
        """Return a bound on the error of each query's ranks, ``(n,)``."""
        length, error = np.sqrt(squared_norms(queries)), _rounding(queries)
        product = error * self._longest + (length + error) * self._largest_rounding
        sums = queries.shape[1] * 2.0**-23 * length * self._longest
        bound: Floats = 2 * (product + sums) + 2.0**-22 * self._longest**2
        return bound


def _parts(X: Floats) -> list[slice]:
    return list(row_slices(len(X), block_rows(X.shape[1])))


def _rounding(X: Floats) -> Floats:
    """Return the length of each row's rounding error in bfloat16, ``(n,)``."""
    length: Floats = np.sqrt(squared_norms(X - to_bfloat16(X)))
    return length


def exact_distances(block: Floats, samples: Floats, nearest: NDArray[np.intp]) -> Floats:
    """Return the distances of each row's neighbours, ``(n, n_neighbors)``, from differences.

    ``|x|^2 + |s|^2 - 2 x.s`` finds the neighbours, but rounding would give equal rows a distance.
    """
    result = np.empty(nearest.shape, block.dtype)
    for rows in row_slices(
        len(block), block_rows(nearest.shape[1] * block.shape[1], 4, GATHER_BYTES)
    ):
        difference = samples[nearest[rows]] - block[rows, None, :]
        result[rows] = np.sqrt(np.einsum("ijk,ijk->ij", difference, difference))
    return result


def nearest_columns(distance: Floats, n_neighbors: int) -> NDArray[np.intp]:
    """Return the columns of each row's smallest values, ``(n, n_neighbors)``, in no order.

    The k smallest values lie in the k groups of columns whose minima are smallest, so only those
    groups are partitioned: for long rows, much less than the row.
    """
    n_rows, n_columns = distance.shape
    n_groups = n_columns // GROUP
    if n_groups < 4 * n_neighbors:
        return np.argpartition(distance, n_neighbors - 1, axis=1)[:, :n_neighbors]
    n_grouped = n_groups * GROUP
    minima = distance[:, :n_grouped].reshape(n_rows, n_groups, GROUP).min(axis=2)
    groups = np.argpartition(minima, n_neighbors - 1, axis=1)[:, :n_neighbors]
    columns = (groups[:, :, None] * GROUP + np.arange(GROUP)).reshape(n_rows, -1)
    rest = np.broadcast_to(np.arange(n_grouped, n_columns), (n_rows, n_columns - n_grouped))
    columns = np.concatenate((columns, rest), axis=1)
    candidates = np.take_along_axis(distance, columns, axis=1)
    best = np.argpartition(candidates, n_neighbors - 1, axis=1)[:, :n_neighbors]
    return np.take_along_axis(columns, best, axis=1)
