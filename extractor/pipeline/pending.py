"""Which rows the cache lacks, and which images a run has seen."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import ShardSet, has_digest
from ...cache.manifest import DIGEST_BYTES

EMPTY = -1
MAX_LOAD = 0.8
"""Of the table's slots: with more of them in use, a search becomes long."""


class SeenSet:
    """The digests that a run has met, for several threads: 5 to 10 bytes for each sample.

    A hash table of indices into ``digests``: the digests themselves are kept once.

    Parameters
    ----------
    digests : ndarray of uint8, shape (n_samples, 32)
        Filled in as samples are added; a row that was added must stay as it is.
    """

    def __init__(self, digests: NDArray[np.uint8]) -> None:
        self._digests = digests
        n_slots = 1 << int(len(digests) / MAX_LOAD).bit_length()
        self._table = array("i", [EMPTY]) * n_slots
        self._lock = threading.Lock()

    def add(self, index: int, digest: bytes) -> bool:
        """Add the digest of the sample at ``index``; return False where it was there before."""
        mask = len(self._table) - 1
        slot = int.from_bytes(digest[:8], "little") & mask
        with self._lock:
            while (first := self._table[slot]) != EMPTY:
                if self._digests[first].tobytes() == digest:
                    return False
                slot = (slot + 1) & mask
            self._digests[index] = np.frombuffer(digest, np.uint8)
            self._table[slot] = index
        return True


class PendingRows:
    """The one answer to "is this row there already?" for the sets of a run.

    Digests that are known beforehand are looked up at once, all others when their image is read.
    What other runs write meanwhile is not seen.

    Parameters
    ----------
    sets : sequence of ShardSet or None
        None stands for a set without rows.
    digests : ndarray of uint8, shape (n_samples, 32)
        Zeros where a digest is not known; filled in as images are read.
    failed : dict of bytes to str
        Digests of images that cannot be decoded, with the reason; more are noted as they fail.

    Attributes
    ----------
    unreadable : dict of int to str
        Samples whose bytes cannot be read, with the reason.
    remarks : dict of int to str
        Samples that were read, with what a person should know of them, such as further pages.
    must_read : ndarray of bool, shape (n_samples,)
        Samples of unknown digest, and those that some set lacks; not those that failed before.
    """

    def __init__(
        self, sets: Sequence[ShardSet | None], digests: NDArray[np.uint8], failed: dict[bytes, str]
    ) -> None:
        self.digests, self.failed = digests, failed
        self._sets = [shards if shards else None for shards in sets]
        self.unreadable: dict[int, str] = {}
        self.remarks: dict[int, str] = {}
        self._is_known = has_digest(digests)
        self._rows = [_find(shards, digests) for shards in self._sets]
        self._seen = SeenSet(digests)
        self.must_read = ~self._is_done()

    @property
    def may_hold_new_files(self) -> bool:
        """Whether there are samples of unknown digest, which the sets may hold all the same."""
        return any(self._sets) and not self._is_known.all()

    def has_every_row(self) -> NDArray[np.bool_]:
        """Tell which samples were known beforehand to have a row in every set, ``(n_samples,)``."""
        has_rows = self._is_known.copy()
        for rows in self._rows:
            has_rows &= rows >= 0
        return has_rows

    def _is_done(self) -> NDArray[np.bool_]:
        is_done = self.has_every_row()
        for index in np.flatnonzero(self._is_known) if self.failed else ():
            is_done[index] |= self.digests[index].tobytes() in self.failed
        return is_done

    def rows_of(self, index: int) -> tuple[int, ...]:
        """Return the row of a sample with a known digest in each set, -1 where there is none."""
        return tuple(int(rows[index]) for rows in self._rows)

    def look_up(self, index: int, digest: bytes) -> tuple[tuple[int, ...], bool]:
        """Look up a sample that was read; note its digest.

        Returns
        -------
        rows : tuple of int
            Its row in each set, -1 where there is none.
        is_new : bool
            Whether some set lacks it and no equal image came before; of equal ones the first is.
        """
        if self._is_known[index] and self.digests[index].tobytes() == digest:
            rows = self.rows_of(index)
        else:
            wanted = np.frombuffer(digest, np.uint8).reshape(1, DIGEST_BYTES)
            rows = tuple(int(s.index.find(wanted)[0]) if s else -1 for s in self._sets)
        is_new = min(rows, default=-1) < 0 and self._seen.add(index, digest)
        if not is_new:
            self.digests[index] = np.frombuffer(digest, np.uint8)
        return rows, is_new

    def take(self, set_number: int, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return cached rows of a set as ``(len(rows), d)``."""
        shards = self._sets[set_number]
        if shards is None:
            raise IndexError(f"set {set_number} holds no rows")
        return shards.take(rows)


def _find(shards: ShardSet | None, digests: NDArray[np.uint8]) -> NDArray[np.int32]:
    if shards is None:
        return np.full(len(digests), -1, np.int32)
    return shards.index.find(digests).astype(np.int32)
