"""Which images a run has taken on."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

DIGEST_BYTES = 32
BITS_A_DIGEST = 64
"""Of the table that answers for nearly all new digests; one in 64 is looked for in all others."""


class Claims:
    """A set of digests for several threads, at 40 bytes each; Python's own costs three times that.

    Parameters
    ----------
    n_most : int
        How many digests there can be.
    """

    def __init__(self, n_most: int) -> None:
        # Memory that is never written costs nothing: the rows fill up as the run goes on.
        self._digests: NDArray[np.uint8] = np.zeros((n_most, DIGEST_BYTES), np.uint8)
        self._n = 0
        n_bits = 1 << max(3, (n_most * BITS_A_DIGEST - 1).bit_length())
        self._seen = bytearray(n_bits // 8)
        self._mask = n_bits - 1
        self._lock = threading.Lock()

    def add(self, digest: bytes) -> bool:
        """Take in ``digest``; returns False where it was there already."""
        place = int.from_bytes(digest[:8], "little") & self._mask
        byte, bit = place >> 3, 1 << (place & 7)
        row = np.frombuffer(digest, np.uint8)
        with self._lock:
            if self._seen[byte] & bit and self._holds(row):
                return False
            self._seen[byte] |= bit
            self._digests[self._n] = row
            self._n += 1
        return True

    def _holds(self, row: NDArray[np.uint8]) -> bool:
        words, wanted = self._digests[: self._n].view(np.uint64), row.view(np.uint64)
        candidates = words[words[:, 0] == wanted[0]]
        return bool((candidates == wanted).all(axis=1).any())
