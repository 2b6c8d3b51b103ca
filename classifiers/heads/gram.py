"""Kernel matrices of a training set, class by class, so that pairs of classes share their work."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from .blocks import Floats, Ints, block_rows, row_slices
from .distances import squared_distances, squared_norms


class ClassBlocks:
    """The squared distances of samples sorted by class, computed when they are asked for.

    Distances within a class serve all of its pairs, so they are kept: ``n_samples**2 / n_classes``
    numbers for even classes.

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
        self._within: dict[int, Floats] = {}

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
        if a in self._within and a == b:
            return self._within[a]
        rows = self.rows(b)
        block = squared_distances(self.X[self.rows(a)], self.X[rows], self.norms[rows])
        if a == b:
            np.fill_diagonal(block, 0)
            self._within[a] = block
        return block


def rbf_matrix(
    distances: dict[tuple[int, int], Floats], labels: Sequence[int], gamma: float
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
    matrix = np.empty((int(stops[-1]), int(stops[-1])))
    for (a, b), block in distances.items():
        target = matrix[places[a], places[b]]
        for rows in row_slices(len(block), block_rows(block.shape[1], 4, 1 << 22)):
            part = np.exp(block[rows] * block.dtype.type(-gamma))
            target[rows] = part
            if a != b:
                matrix[places[b], places[a]][:, rows] = part.T
    return matrix
