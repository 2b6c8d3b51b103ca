"""A sample of many rows in which every class keeps its share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def stratified_sample(
    y: NDArray[np.int64],
    n_rows: int,
    random_state: int = 0,
    groups: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Return ``n_rows`` row numbers, ascending; all rows where there are no more.

    Each class gets its share of the rows, and at least one as long as there are rows enough.

    Parameters
    ----------
    y : ndarray of int64, shape (n_samples,)
        Class of each row; -1, no label, counts as a class.
    n_rows : int
    random_state : int
    groups : ndarray of int64, shape (n_samples,), optional
        Rows of one number come together: of a class, all rows of a group are taken before the next
        group is begun.
    """
    if len(y) <= n_rows:
        return np.arange(len(y), dtype=np.int64)
    generator = np.random.default_rng(random_state)
    order = generator.permutation(len(y))
    if groups is not None:
        numbers = np.unique(groups, return_inverse=True)[1]
        turns = generator.permutation(numbers.max() + 1)[numbers]
        order = order[np.argsort(turns[order], kind="stable")]
    order = order[np.argsort(y[order], kind="stable")]
    _, first, counts = np.unique(y[order], return_index=True, return_counts=True)
    rank = np.arange(len(y)) - np.repeat(first, counts)
    # The share of its class that is chosen once this row is; each class's first row goes first.
    share = np.where(rank == 0, 0, (rank + 0.5) / np.repeat(counts, counts))
    chosen = order[np.argsort(share, kind="stable")[:n_rows]]
    return np.sort(chosen)
