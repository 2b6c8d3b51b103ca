"""Which images a run has taken on."""

from __future__ import annotations

import threading
from array import array

import numpy as np
from numpy.typing import NDArray

NOBODY = -1
MAX_LOAD = 0.8
"""Of the table's places: with more of them taken, a search becomes long."""


class Claims:
    """The digests that a run has taken on, for several threads: 5 to 10 bytes for each sample.

    A hash table of places in ``digests``: the digests themselves are kept once.

    Parameters
    ----------
    digests : ndarray of uint8, shape (n_samples, 32)
        Filled in as samples are claimed; a row that was claimed must stay as it is.
    """

    def __init__(self, digests: NDArray[np.uint8]) -> None:
        self._digests = digests
        n_places = 1 << int(len(digests) / MAX_LOAD).bit_length()
        self._table = array("i", [NOBODY]) * n_places
        self._lock = threading.Lock()

    def add(self, index: int, digest: bytes) -> bool:
        """Claim a digest for the sample at ``index``; returns False where it was claimed before."""
        mask = len(self._table) - 1
        place = int.from_bytes(digest[:8], "little") & mask
        with self._lock:
            while (holder := self._table[place]) != NOBODY:
                if self._digests[holder].tobytes() == digest:
                    return False
                place = (place + 1) & mask
            self._digests[index] = np.frombuffer(digest, np.uint8)
            self._table[place] = index
        return True
