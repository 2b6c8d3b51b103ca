"""Shuffled batches of training samples, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .blocks import Floats, Ints, free_bytes, is_lazy, iter_blocks, row_slices
from .training import Training

Scaling = Callable[[Floats], Floats]
Batch = tuple[Floats, Ints, NDArray[np.float32] | None]

GATHER_BYTES = 1 << 29
# Rows on disk are read in runs of this many; a window of runs is shuffled as a whole.
RUN_ROWS = 64
WINDOW_SHARE = 4


class Batches:
    """Batches of one training set, every epoch in a new order.

    An array is shuffled row by row. A matrix on disk is read in runs of neighbouring rows: runs in
    random order fill a window, whose rows are then shuffled; the window is a quarter of what the
    matrix lets training take. The ragged last batch is left out: all batches have one shape, and
    one compiled program serves them.

    Parameters
    ----------
    data : Training
    batch_size : int
    scaled : callable
        Turns a block of features into what the network sees.
    """

    def __init__(self, data: Training, batch_size: int, scaled: Scaling) -> None:
        n_samples, n_features = data.X.shape
        self._X, self._scaled = scaled_rows(data.X, scaled)
        self._y = data.y
        weights = data.weight
        self._weight = None if weights is None else (weights / weights.mean()).astype(np.float32)
        self.size = min(batch_size, int(n_samples))
        self.n_features = int(n_features)

    def epoch(self, generator: np.random.Generator) -> Iterator[Batch]:
        """Iterate over the batches of one epoch.

        Yields
        ------
        X : ndarray of float32, shape (size, n_features)
        y : ndarray of int64, shape (size,)
        weight : ndarray of float32, shape (size,), or None
        """
        for X, rows in self._windows(generator) if is_lazy(self._X) else self._shuffled(generator):
            weight = None if self._weight is None else self._weight[rows]
            yield self._scaled(np.asarray(X, np.float32)), self._y[rows], weight

    def _shuffled(self, generator: np.random.Generator) -> Iterator[tuple[NDArray[Any], Ints]]:
        order = generator.permutation(len(self._y))
        for start in range(0, len(order) - self.size + 1, self.size):
            rows = np.sort(order[start : start + self.size])
            yield self._X[rows], rows

    def _windows(self, generator: np.random.Generator) -> Iterator[tuple[NDArray[Any], Ints]]:
        order = self._runs_in_random_order(generator)
        n_kept = len(order) - len(order) % self.size
        for window in row_slices(n_kept, self._window_rows()):
            rows = np.sort(order[window])
            values = self._X[rows]
            places = generator.permutation(len(rows))
            for batch in row_slices(len(rows), self.size):
                yield values[places[batch]], rows[places[batch]]
            del values  # before the next window is read

    def _runs_in_random_order(self, generator: np.random.Generator) -> Ints:
        n_samples = len(self._y)
        starts = generator.permutation(-(-n_samples // RUN_ROWS)) * RUN_ROWS
        order: Ints = (starts[:, None] + np.arange(RUN_ROWS)).ravel()
        return order[order < n_samples]

    def _window_rows(self) -> int:
        row_bytes = self.n_features * int(self._X.dtype.itemsize)
        n_batches = free_bytes(self._X) // (WINDOW_SHARE * row_bytes * self.size)
        return max(1, n_batches) * self.size


def scaled_rows(X: Any, scaled: Scaling) -> tuple[Any, Scaling]:
    """Return rows as the network sees them, once for all epochs, if they fit; else as they are.

    What is left to do to a block of them comes second.
    """
    if not isinstance(X, np.ndarray) or X.size * 4 > GATHER_BYTES:
        return X, scaled
    result = np.empty(X.shape, np.float32)
    for rows, block in iter_blocks(X, np.dtype(np.float32)):
        result[rows] = scaled(block)
    return result, _unchanged


def _unchanged(block: Floats) -> Floats:
    return block
