"""Checksums over blocks of rows and over single rows, with XXH3 of 64 bits.

Blocks serve reading in order: one call hashes a megabyte at memory speed. Single rows serve reading
at random: a row is checked without touching its neighbours.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

BLOCK_BYTES = 1 << 20


def row_bytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Return the bytes of one row of such an array."""
    return int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize


def block_rows(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Return how many rows of such an array one block holds."""
    return max(1, BLOCK_BYTES // max(1, row_bytes(shape, dtype)))


def block_checksums(values: NDArray[Any], rows: int) -> NDArray[np.uint64]:
    """Hash contiguous ``values`` in blocks of ``rows`` rows; returns ``(n_blocks,)``."""
    starts = range(0, len(values), rows)
    hashes = (xxhash.xxh3_64_intdigest(values[i : i + rows].data) for i in starts)
    return np.fromiter(hashes, np.uint64, len(starts))


def row_checksums(values: NDArray[Any]) -> NDArray[np.uint64]:
    """Hash each row of contiguous ``values`` ``(n, d)``; returns ``(n,)``."""
    width = row_bytes(values.shape, values.dtype)
    if not values.size:
        return np.full(len(values), xxhash.xxh3_64_intdigest(b""), np.uint64)
    flat = values.data.cast("B")
    digest = xxhash.xxh3_64_intdigest
    hashes = (digest(flat[i : i + width]) for i in range(0, len(flat), width))
    return np.fromiter(hashes, np.uint64, len(values))


def streamed_checksums(file: int, offset: int, n_bytes: int, block: int) -> Iterator[int]:
    """Hash ``n_bytes`` of an open file from ``offset`` on, block by block, in constant memory."""
    buffer = memoryview(bytearray(min(block, max(n_bytes, 1))))
    end = offset + n_bytes
    while offset < end:
        wanted = min(len(buffer), end - offset)
        filled = 0
        while filled < wanted:
            n_read = os.preadv(file, [buffer[filled:wanted]], offset + filled)
            if not n_read:
                break
            filled += n_read
        yield xxhash.xxh3_64_intdigest(buffer[:filled])
        offset += wanted
