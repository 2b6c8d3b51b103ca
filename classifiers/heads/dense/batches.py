"""Shuffled batches of training samples, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..row_blocks import Floats, Ints, free_bytes, is_lazy, iter_blocks, row_slices
from ..training_data import Training

Scaling = Callable[[Floats], Floats]

GATHER_BYTES = 1 << 29
# Rows on disk are read in runs of so many neighbours; a window of runs is shuffled row by row.
RUN_ROWS = 64
WINDOW_SHARE = 4
# Bytes of the rows that are handed over at a time, without and with a copy.
HANDED_BYTES = 1 << 26
COPIED_BYTES = 1 << 22


@dataclass(frozen=True)
class Window:
    """Some batches, one after the other.

    Attributes
    ----------
    X : ndarray of float32, shape (n, n_features)
        As the network sees them.
    rows : ndarray of int64, shape (n_batches * size,)
        Which rows of ``X`` the batches take.
    y : ndarray of int64, shape (n_batches * size,)
    weight : ndarray of float32, shape (n_batches * size,), or None
    """

    X: NDArray[np.float32]
    rows: Ints
    y: Ints
    weight: NDArray[np.float32] | None


class Batches:
    """Batches of one training set, every epoch in a new order.

    An array is shuffled row by row. A matrix on disk is read in runs of neighbouring rows: runs in
    random order fill a window, whose rows are then shuffled. The window takes a quarter of the
    memory that training may take. The last batch is left out where it is smaller than the others.

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
        self._ready = self._X if self._scaled is _unchanged else None
        self._y = data.y
        weights = data.weight
        self._weight = None if weights is None else (weights / weights.mean()).astype(np.float32)
        self.size = min(batch_size, int(n_samples))
        self.n_features = int(n_features)

    def epoch(
        self, generator: np.random.Generator
    ) -> Iterator[tuple[Floats, Ints, NDArray[np.float32] | None]]:
        """Iterate over the batches of one epoch.

        Yields
        ------
        X : ndarray of float32, shape (size, n_features)
        y : ndarray of int64, shape (size,)
        weight : ndarray of float32, shape (size,), or None
        """
        for window in self.windows(generator):
            for rows in row_slices(len(window.rows), self.size):
                weight = None if window.weight is None else window.weight[rows]
                yield window.X[window.rows[rows]], window.y[rows], weight

    def windows(self, generator: np.random.Generator) -> Iterator[Window]:
        """Iterate over the same batches, several at a time."""
        n_bytes = COPIED_BYTES if self._ready is None else HANDED_BYTES
        step = self.size * max(1, n_bytes // (4 * self.n_features * self.size))
        for X, positions, samples in self._orders(generator):
            for part in row_slices(len(samples), step):
                chosen = samples[part]
                weight = None if self._weight is None else self._weight[chosen]
                values, rows = X, positions[part]
                if values is not self._ready:
                    values = np.ascontiguousarray(self._scaled(np.asarray(X[rows], np.float32)))
                    rows = np.arange(len(rows))
                yield Window(values, rows, self._y[chosen], weight)
                del values
            del X  # before the next is read

    def _orders(self, generator: np.random.Generator) -> Iterator[tuple[NDArray[Any], Ints, Ints]]:
        """Iterate over features, shuffled row numbers of them, and the samples in those rows."""
        if is_lazy(self._X):
            yield from self._read_runs(generator)
            return
        order = generator.permutation(len(self._y))
        order = order[: len(order) - len(order) % self.size]
        order = np.sort(order.reshape(-1, self.size), axis=1).ravel()
        yield self._X, order, order

    def _read_runs(
        self, generator: np.random.Generator
    ) -> Iterator[tuple[NDArray[Any], Ints, Ints]]:
        order = self._runs_in_random_order(generator)
        n_kept = len(order) - len(order) % self.size
        for window in row_slices(n_kept, self._window_rows()):
            samples = np.sort(order[window])
            values = self._X[samples]
            positions = generator.permutation(len(samples))
            yield values, positions, samples[positions]
            del values

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
    """Scale rows once for all epochs if they fit into memory.

    Returns
    -------
    X : matrix
        Scaled, or as it was.
    scaled : callable
        What remains to be done to a block of ``X``.
    """
    if not isinstance(X, np.ndarray) or X.size * 4 > GATHER_BYTES:
        return X, scaled
    result = np.empty(X.shape, np.float32)
    for rows, block in iter_blocks(X, np.dtype(np.float32)):
        result[rows] = scaled(block)
    return result, _unchanged


def _unchanged(block: Floats) -> Floats:
    return block
