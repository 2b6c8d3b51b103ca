"""DigestIndex: finds the row of an image by the digest of its bytes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..manifest import DIGEST_BYTES

FIND_ROWS = 1 << 16


class DigestIndex:
    """Finds rows by digest; of equal digests the first row answers.

    Parameters
    ----------
    digests : ndarray of uint8, shape (n_rows, 32)
    """

    def __init__(self, digests: NDArray[np.uint8]) -> None:
        self._digests = np.ascontiguousarray(digests)
        # Sorted when first needed; two threads that both do it come to the same result.
        self._sorted: tuple[NDArray[np.uint64], NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        return len(self._digests)

    def find(self, digests: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the row of each digest ``(m, 32)``, or -1, as int64 ``(m,)``.

        For exactly the index's digests in their order the answer is 0, 1, 2, …, also where one
        occurs twice: equal digests stand for equal rows.
        """
        if len(digests) == len(self) > 1 and np.array_equal(
            _words(np.ascontiguousarray(digests)), _words(self._digests)
        ):
            return np.arange(len(self), dtype=np.int64)  # one run made them all, in order
        rows = np.full(len(digests), -1, np.int64)
        if len(self):
            for start in range(0, len(digests), FIND_ROWS):
                part = np.ascontiguousarray(digests[start : start + FIND_ROWS])
                rows[start : start + FIND_ROWS] = self._find(part)
        return rows

    def _find(self, wanted: NDArray[np.uint8]) -> NDArray[np.int64]:
        if self._sorted is None:
            self._sorted = _sort(self._digests)
        ordered, order = self._sorted
        rows = np.full(len(wanted), -1, np.int64)
        prefixes = _words(wanted)[:, 0].copy()
        positions = _first_positions(ordered, prefixes)
        pending = np.arange(len(wanted))
        # Digests with the same first word lie side by side: try one after the other.
        while len(pending):
            pending = pending[positions[pending] < len(ordered)]
            pending = pending[ordered[positions[pending]] == prefixes[pending]]
            candidates = order[positions[pending]]
            equal = (_words(self._digests[candidates]) == _words(wanted[pending])).all(axis=1)
            rows[pending[equal]] = candidates[equal]
            pending = pending[~equal]
            positions[pending] += 1
        return rows


def _sort(digests: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the digests' first words, sorted, and their rows; equal words in the rows' order."""
    prefixes = _words(digests)[:, 0].copy()
    order = np.argsort(prefixes)
    ordered = prefixes[order]
    if bool((ordered[1:] == ordered[:-1]).any()):
        order = np.argsort(prefixes, kind="stable")
        ordered = prefixes[order]
    return ordered, order


def _first_positions(
    ordered: NDArray[np.uint64], prefixes: NDArray[np.uint64]
) -> NDArray[np.int64]:
    # Searching in sorted order walks through memory instead of jumping in it.
    order = np.argsort(prefixes)
    positions = np.empty(len(prefixes), np.int64)
    positions[order] = np.searchsorted(ordered, prefixes[order], "left")
    return positions


def _words(digests: NDArray[np.uint8]) -> NDArray[np.uint64]:
    return digests.view(np.uint64).reshape(-1, DIGEST_BYTES // 8)
