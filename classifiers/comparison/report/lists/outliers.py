"""Images that are unlike all others, by their features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

N_NEIGHBOURS = 10
MAX_REFERENCE = 5_000
BLOCK_ROWS = 1024


def neighbour_distances(
    components: NDArray[np.float32], reference: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return each row's mean distance to its ten nearest rows of ``reference``, itself excluded.

    Parameters
    ----------
    components : ndarray of float32, shape (n, n_components)
    reference : ndarray of int64
        Row numbers, at most some thousands.
    """
    others = components[reference]
    squares = (others**2).sum(axis=1)
    n_nearest = min(N_NEIGHBOURS, len(reference) - 1)
    distances = np.zeros(len(components), np.float32)
    if n_nearest < 1:
        return distances
    column = np.full(len(components), -1)
    column[reference] = np.arange(len(reference))
    for start in range(0, len(components), BLOCK_ROWS):
        block = components[start : start + BLOCK_ROWS]
        squared = squares - 2 * block @ others.T + (block**2).sum(axis=1, keepdims=True)
        itself = column[start : start + len(block)]
        inside = np.flatnonzero(itself >= 0)
        squared[inside, itself[inside]] = np.inf
        nearest = np.partition(squared, n_nearest - 1, axis=1)[:, :n_nearest]
        distances[start : start + len(block)] = np.sqrt(nearest.clip(0)).mean(axis=1)
    return distances


def find_outliers(distances: NDArray[np.float32], n_most: int) -> NDArray[np.int64]:
    """Return the rows that stand apart, the farthest first, at most ``n_most``.

    A row stands apart above the upper quartile by three times the distance between the quartiles
    (Tukey's far outliers).
    """
    low, high = np.quantile(distances, [0.25, 0.75])
    order = np.argsort(-distances, kind="stable")[:n_most]
    far: NDArray[np.int64] = order[distances[order] > high + 3 * max(high - low, 1e-9)]
    return far
