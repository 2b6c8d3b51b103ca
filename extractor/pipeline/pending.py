"""Which image is still missing in which set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...cache import ShardSet, has_digest
from .groups import Group
from .seen import Claims


class Coverage:
    """Knows what is cached, what failed before, and what this run has taken on.

    Parameters
    ----------
    shards : sequence of ShardSet
        One for each plan of the run.
    groups : sequence of Group
    failed : dict of bytes to str
        Digests of images that cannot be read, with the reason; shared with the caller.
    digests : ndarray of uint8, shape (n_samples, 32)
        Of the samples; those of images that are taken on are filled in.
    """

    def __init__(
        self,
        shards: Sequence[ShardSet],
        groups: Sequence[Group],
        failed: dict[bytes, str],
        digests: NDArray[np.uint8],
    ) -> None:
        self._shards = shards
        self._groups = groups
        self._failed = failed
        self._claims = Claims(digests)

    def todo(self, digests: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the places of images that must be read: unknown ones, and those some set lacks.

        Parameters
        ----------
        digests : ndarray of uint8, shape (n_samples, 32)
            Zeros where the digest is not known.
        """
        known = has_digest(digests)
        done = np.ones(len(digests), np.bool_)
        for shards in self._shards:
            done &= shards.index.find(digests) >= 0
        if self._failed:
            failed = (d.tobytes() in self._failed for d in digests[known])
            done[known] |= np.fromiter(failed, np.bool_)
        return np.flatnonzero(~(known & done))

    def claim(self, index: int, digest: bytes) -> tuple[int, ...]:
        """Take on a sample; returns the groups that lack it. Of equal images only the first is."""
        if digest in self._failed:
            return ()
        lacking = tuple(
            number
            for number, group in enumerate(self._groups)
            if any(self.lacks(member, digest) for member in group.members)
        )
        return lacking if lacking and self._claims.add(index, digest) else ()

    def lacks(self, member: int, digest: bytes) -> bool:
        """Tell whether a set had no row of an image when the run began."""
        row = np.frombuffer(digest, np.uint8)[None]
        return bool(self._shards[member].index.find(row)[0] < 0)

    def lacking_rows(self, member: int, digests: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return which of ``digests`` ``(b, 32)`` a set had no row of."""
        return np.flatnonzero(self._shards[member].index.find(digests) < 0)
