"""Checksums over blocks of rows and over single rows, with XXH3 of 64 bits.

Blocks serve reading in order: one call hashes a megabyte at memory speed. Single rows serve reading
at random: a row is checked without touching its neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

BLOCK_BYTES = 1 << 20


def row_bytes(X: NDArray[Any]) -> int:
    """Return the bytes of one row of ``X (n, d)``."""
    return int(X.shape[1]) * X.dtype.itemsize


def block_rows(n_bytes: int) -> int:
    """Return how many rows of ``n_bytes`` each one block holds."""
    return max(1, BLOCK_BYTES // max(1, n_bytes))


def row_checksums(X: NDArray[Any]) -> NDArray[np.uint64]:
    """Hash each row of contiguous ``X (n, d)``; returns ``(n,)``."""
    width = row_bytes(X)
    if not X.size:
        return np.full(len(X), xxhash.xxh3_64_intdigest(b""), np.uint64)
    flat = X.data.cast("B")
    digest = xxhash.xxh3_64_intdigest
    hashes = (digest(flat[i : i + width]) for i in range(0, len(flat), width))
    return np.fromiter(hashes, np.uint64, len(X))
