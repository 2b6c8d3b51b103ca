"""JoinedShards: the rows of several sets side by side, matched by digest and never copied."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CacheFormatError
from ..manifest import DIGEST_BYTES
from ..shards.shard import Shard
from ..shards.shardset import ShardSet
from ..spec import FeatureSpec
from .joined_spec import JoinedSpec

TAKEN_ROWS = 4096
"""Rows that are put together at a time, so that no set is held twice."""


class JoinedIndex:
    """Finds the images that every set has.

    The position of a joined row is that of its image in the first set.
    """

    def __init__(self, sets: Sequence[ShardSet]) -> None:
        self._sets = sets
        # For each further set: the position of each row of the first one, filled as it is found.
        self.positions = [np.full(len(sets[0]), -1, np.int64) for _ in sets[1:]]

    def __len__(self) -> int:
        return len(self._sets[0])

    def find(self, digests: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the position of each digest ``(m, 32)``, or -1 where a set lacks it."""
        found = self._sets[0].index.find(digests)
        further = [shards.index.find(digests) for shards in self._sets[1:]]
        for rows in further:
            found = np.where(rows >= 0, found, -1)
        has_all = found >= 0
        for positions, rows in zip(self.positions, further, strict=True):
            positions[found[has_all]] = rows[has_all]
        return found


class JoinedShards:
    """The rows of several sets side by side; it answers as a ShardSet does.

    Parameters
    ----------
    sets : sequence of ShardSet
        In the order of the columns.

    Attributes
    ----------
    spec : JoinedSpec
    sets : tuple of ShardSet
    shards : list of Shard
        Those of all sets; none where a set has no row.
    damaged : list of CacheFormatError
    index : JoinedIndex

    Raises
    ------
    ConfigError
        There are too few or too many sets, or one of them stands there twice.
    """

    def __init__(self, sets: Sequence[ShardSet]) -> None:
        self.spec = JoinedSpec(tuple(one.spec for one in sets))
        self.sets = tuple(sets)
        has_rows = all(one.shards for one in sets)
        self.shards: list[Shard] = [s for one in sets for s in one.shards] if has_rows else []
        self.damaged: list[CacheFormatError] = [error for one in sets for error in one.damaged]
        self.index = JoinedIndex(self.sets)

    @property
    def address(self) -> tuple[tuple[Path, FeatureSpec], ...]:
        """The addresses of the sets; raises CacheError where one was not opened from a folder."""
        return tuple(one.address for one in self.sets)

    @property
    def widths(self) -> tuple[int, ...]:
        """Number of columns of each set; raises FeaturesNotFoundError where one has no row."""
        return tuple(width for one in self.sets for width in one.widths)

    @property
    def n_features(self) -> int:
        """Width of a joined row; raises FeaturesNotFoundError where a set has no row."""
        return sum(self.widths)

    def digests_at(self, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the digests ``(len(positions), 32)`` of the images of some rows."""
        if not len(positions):
            return np.zeros((0, DIGEST_BYTES), np.uint8)
        return self.sets[0].digests_at(positions)

    def take(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        """Return the rows at ``positions`` as ``(len(positions), d)``.

        Raises
        ------
        CacheError
            As ``ShardSet.take``.
        """
        X = np.empty((len(positions), self.n_features), self.spec.storage)
        edges = list(pairwise(accumulate(self.widths, initial=0)))
        for start in range(0, len(positions), TAKEN_ROWS):
            first = positions[start : start + TAKEN_ROWS]
            further = [of_set[first] for of_set in self.index.positions]
            rows = slice(start, start + len(first))
            for (left, right), one, at in zip(edges, self.sets, [first, *further], strict=True):
                X[rows, left:right] = one.take(at)
        return X

    def cuts(self, positions: NDArray[np.int64], n_rows: int) -> list[int]:
        """Return where to cut ``positions`` into pieces of at most ``n_rows``, ends included."""
        return [*range(0, len(positions), n_rows), len(positions)]
