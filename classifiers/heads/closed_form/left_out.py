"""Training samples that are left out one after the other, groups whole, to calibrate a head."""

from __future__ import annotations

import numpy as np

from ..row_blocks import Ints
from ..training_data import Training

CALIBRATION_ROWS = 2048
"""One factor is fitted to the decisions on about so many samples."""

MOST_OF_GROUP = 64
"""Samples of one group that are left out together; of larger groups, so many."""


def left_out_groups(data: Training) -> list[Ints]:
    """Choose about ``CALIBRATION_ROWS`` samples, whole groups, spread evenly over all.

    Returns
    -------
    list of ndarray of int64, shape (n_groups, size)
        Rows of groups of one size, one line for each group; samples without a group have size 1.
    """
    stride = -(-len(data.y) // CALIBRATION_ROWS)
    if data.groups is None:
        return [np.arange(0, len(data.y), stride)[:, None]]
    order = np.argsort(data.groups, kind="stable")
    _, starts = np.unique(data.groups[order], return_index=True)
    by_size: dict[int, list[Ints]] = {}
    n_chosen = 0
    for rows in np.split(order, starts[1:])[::stride]:
        some = rows
        if len(rows) > MOST_OF_GROUP:
            some = rows[np.linspace(0, len(rows) - 1, MOST_OF_GROUP).astype(np.int64)]
        if n_chosen and n_chosen + len(some) > 2 * CALIBRATION_ROWS:
            break
        n_chosen += len(some)
        by_size.setdefault(len(some), []).append(some)
    return [np.stack(groups) for _, groups in sorted(by_size.items())]
