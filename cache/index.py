"""Which row holds the features of which image: derived from the shards' own digest columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .manifest import DIGEST_BYTES


class DigestIndex:
    """Finds rows by digest; of equal digests the first row answers.

    Parameters
    ----------
    digests : ndarray of uint8, shape (n_rows, 32)
    """

    def __init__(self, digests: NDArray[np.uint8]) -> None:
        self._digests = np.ascontiguousarray(digests)
        prefixes = _prefixes(self._digests)
        self._order = np.argsort(prefixes, kind="stable")
        self._prefixes = prefixes[self._order]

    def __len__(self) -> int:
        return len(self._digests)

    def find(self, digests: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the row of each digest ``(m, 32)``, or -1, as int64 ``(m,)``."""
        rows = np.full(len(digests), -1, np.int64)
        if not len(self) or not len(digests):
            return rows
        wanted = np.ascontiguousarray(digests)
        prefixes = _prefixes(wanted)
        places = np.searchsorted(self._prefixes, prefixes, "left")
        open_ = np.arange(len(wanted))
        while len(open_):
            inside = places[open_] < len(self)
            open_ = open_[inside]
            same_prefix = self._prefixes[places[open_]] == prefixes[open_]
            open_ = open_[same_prefix]
            candidates = self._order[places[open_]]
            equal = (self._digests[candidates] == wanted[open_]).all(axis=1)
            rows[open_[equal]] = candidates[equal]
            open_ = open_[~equal]
            places[open_] += 1
        return rows


def _prefixes(digests: NDArray[np.uint8]) -> NDArray[np.uint64]:
    if not len(digests):
        return np.zeros(0, np.uint64)
    words: NDArray[np.uint64] = digests.view(np.uint64).reshape(-1, DIGEST_BYTES // 8)[:, 0].copy()
    return words
