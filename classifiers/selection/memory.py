"""Training within a stated amount of memory: features that are larger stay on disk."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import ConfigError, TrainingDataError
from ...cache.places.sizes import parse_size
from ...extractor.machine.hardware import free_memory_bytes
from ..heads.registry import HEADS, find_head
from ..heads.row_blocks import RowView

# Thread stacks, blocks of rows and what the trainer of the dense heads allocates.
FIXED_BYTES = 32 * 2**20
SQUARE_MATRICES = 12
SAMPLE_BYTES = 64
# Of the memory that is free, what training takes where nobody says how much it may.
FREE_SHARE = 0.75
# Besides the stored rows: the copy in float32 that dense heads gather their batches from.
COPY_ITEMSIZE = 4


def parse_memory(text: str) -> int:
    """Return the bytes that ``2GB``, ``300 MB``, ``1.5GiB`` or ``1000000`` stand for.

    Raises
    ------
    ConfigError
        It is no size.
    """
    return parse_size(text, "--memory")


def usable_memory(memory: int | None) -> int:
    """Return the bytes that training may take: as stated, else most of what is free now."""
    return int(FREE_SHARE * free_memory_bytes()) if memory is None else memory


def memory_limit(
    X: Any, n_samples: int, n_classes: int, memory: int | None, matrix_width: int = 0
) -> int | None:
    """Return the bytes to keep to: as stated, else most of what is free if the rows need more.

    Returns
    -------
    int or None
        None where nothing is stated and the rows fit, or where so little is free that no limit can
        be kept.
    """
    if memory is not None:
        return memory
    usable = usable_memory(None)
    least = least_memory(n_samples, max(int(X.shape[1]), matrix_width), n_classes)
    return usable if least <= usable < least + _needed(X, n_samples) else None


def least_memory(n_samples: int, n_features: int, n_classes: int) -> int:
    """Return the bytes that training takes however small its blocks of rows are."""
    per_sample = SAMPLE_BYTES + 16 * n_classes
    return FIXED_BYTES + n_samples * per_sample + SQUARE_MATRICES * 4 * n_features**2


def stays_on_disk(
    X: Any, n_samples: int, n_classes: int, memory: int, matrix_width: int = 0
) -> bool:
    """Say whether so many rows of ``X`` are too large to train from within ``memory`` bytes.

    ``matrix_width`` is that of a head whose matrices are wider than the features.

    Raises
    ------
    ConfigError
        It is too little for any head, or for the one that is asked for.
    """
    width = max(int(X.shape[1]), matrix_width)
    least = least_memory(n_samples, width, n_classes)
    if memory < least:
        raise ConfigError(
            f"--memory {_megabytes(memory)} is too little for {n_samples:,} rows of "
            f"{width:,} features: it takes {_megabytes(least)} or more"
        )
    return _needed(X, n_samples) + least > memory


def able_from_disk() -> str:
    """Name the heads that train from features on disk."""
    return ", ".join(name for name, record in HEADS.items() if record.trains_from_disk)


def _needed(X: Any, n_samples: int) -> int:
    """Return the bytes of so many rows, as stored and as a copy in float32."""
    return int(n_samples * X.shape[1] * (X.dtype.itemsize + COPY_ITEMSIZE))


def training_rows(
    X: Any,
    rows: NDArray[np.int64],
    head_name: str,
    n_classes: int,
    memory: int | None = None,
    matrix_width: int = 0,
) -> Any:
    """Return rows to train one head from: in memory if they fit, else read as they are needed.

    Parameters
    ----------
    X : FeatureSet.X
    rows : ndarray of int64
        Row numbers.
    head_name : str
    n_classes : int
    memory : int, optional
        Bytes that training may take beside the program itself. Without it, a head that can train
        from disk does so where the rows need more than most of the memory that is free.
    matrix_width : int
        Of a head whose matrices are wider than the features.

    Returns
    -------
    ndarray or RowView, shape (n_rows, n_features)

    Raises
    ------
    TrainingDataError
        The features are larger and this head needs all of them in memory.
    ConfigError
        It is too little for any head.
    """
    trains_from_disk = find_head(head_name).trains_from_disk
    if trains_from_disk:
        memory = memory_limit(X, len(rows), n_classes, memory, matrix_width)
    if memory is None or not stays_on_disk(X, len(rows), n_classes, memory, matrix_width):
        return np.asarray(X[rows])
    if not trains_from_disk:
        raise TrainingDataError(
            f"{head_name} needs all features in memory, about {_megabytes(_needed(X, len(rows)))}, "
            f"and --memory allows {_megabytes(memory)}. These heads train from disk: "
            f"{able_from_disk()}."
        )
    return RowView(X, rows, memory)


def _megabytes(n_bytes: int) -> str:
    return f"{-(-n_bytes // 10**6)}MB"
