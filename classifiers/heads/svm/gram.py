"""Kernel matrices of a training set, class by class, so that pairs of classes share their work."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from ..neighbours.distances import squared_distances, squared_norms
from ..row_blocks import Floats, Ints, block_rows, row_slices

EXP_BYTES = 1 << 20


class ClassBlocks:
    """The squared distances of samples sorted by class.

    Distances within a class serve all of its pairs, so they are computed once and kept:
    ``n_samples**2 / n_classes`` numbers for even classes. The others come when they are asked for.

    Parameters
    ----------
    X : ndarray, shape (n_samples, n_features)
        Sorted by class.
    counts : ndarray of int64, shape (n_classes,)
    """

    def __init__(self, X: Floats, counts: Ints) -> None:
        self.X = X
        self.counts = counts
        self.stops = np.cumsum(counts)
        self.norms = squared_norms(X)
        self._within = [self._measure(label, label) for label in range(len(counts))]

    def rows(self, label: int) -> slice:
        """Return the rows of one class."""
        stop = int(self.stops[label])
        return slice(stop - int(self.counts[label]), stop)

    def positions(self, labels: Sequence[int]) -> Ints:
        """Return the rows of several classes, one after the other."""
        return np.concatenate([np.arange(self.rows(a).start, self.rows(a).stop) for a in labels])

    def distances(self, labels: Sequence[int]) -> dict[tuple[int, int], Floats]:
        """Return the blocks of squared distances among ``labels`` (ascending), upper half."""
        return {(a, b): self._block(a, b) for a, b in combinations_with_replacement(labels, 2)}

    def _block(self, a: int, b: int) -> Floats:
        return self._within[a] if a == b else self._measure(a, b)

    def _measure(self, a: int, b: int) -> Floats:
        rows = self.rows(b)
        block = squared_distances(self.X[self.rows(a)], self.X[rows], self.norms[rows])
        if a == b:
            np.fill_diagonal(block, 0)
        return block


class Workspace:
    """Memory that kernel matrices are built in again and again: fresh pages cost more than sums."""

    def __init__(self) -> None:
        self._buffer = np.empty(0)

    def matrix(self, n: int) -> NDArray[np.float64]:
        """Return an ``(n, n)`` matrix of undefined numbers, good until the next is asked for."""
        if len(self._buffer) < n * n:
            self._buffer = np.empty(n * n)
        return self._buffer[: n * n].reshape(n, n)


def rbf_matrix(
    distances: dict[tuple[int, int], Floats],
    labels: Sequence[int],
    gamma: float,
    space: Workspace,
) -> NDArray[np.float64]:
    """Assemble ``exp(-gamma * distance)`` of whole classes into one float64 matrix.

    float64 because that is what libsvm reads; it is symmetric bit by bit.
    """
    sizes = [distances[a, a].shape[0] for a in labels]
    stops = np.cumsum(sizes)
    places = {
        a: slice(int(stop) - size, int(stop))
        for a, size, stop in zip(labels, sizes, stops, strict=True)
    }
    matrix = space.matrix(int(stops[-1]))
    for (a, b), block in distances.items():
        above, below = matrix[places[a], places[b]], matrix[places[b], places[a]]
        for rows in row_slices(len(block), block_rows(block.shape[1], 4, EXP_BYTES)):
            part = np.exp(block[rows] * block.dtype.type(-gamma))
            above[rows] = part
            if a != b:
                below[:, rows] = part.T
    return matrix
