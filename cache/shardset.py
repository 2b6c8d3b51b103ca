"""ShardSet: all shards of one FeatureSpec, read as one array of rows."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import CacheError, CacheFormatError, FeaturesNotFoundError
from .format.index import DigestIndex
from .format.shard import Shard
from .layout import SHARD_SUFFIX
from .manifest import DIGEST_BYTES
from .spec import FeatureSpec

# A mapped shard holds a file descriptor, and 1,024 is a common limit; with more shards than this
# each is opened when its first row is read.
MAX_HELD_OPEN = 256
# A listing outlives the files it names while `compact` or `gc` replaces them.
LIST_ATTEMPTS = 10
MIN_RUN_ROWS = 8


class ShardSet:
    """The rows of one set, in the order of the shards' names, which is that of their making.

    Attributes
    ----------
    spec : FeatureSpec
    shards : list of Shard
    damaged : list of CacheFormatError
        One error for each file in the folder that is no readable shard of this set; its rows count
        as missing.
    index : DigestIndex
        Finds rows by digest.
    """

    def __init__(self, folder: Path, spec: FeatureSpec) -> None:
        self.spec = spec
        self.shards: list[Shard] = []
        self.damaged: list[CacheFormatError] = []
        self._open_all(folder)
        self._starts = np.cumsum([0, *(len(shard) for shard in self.shards)])
        empty = np.zeros((0, DIGEST_BYTES), np.uint8)
        self.index = DigestIndex(np.concatenate([empty, *(s.digests for s in self.shards)]))

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def n_features(self) -> int:
        """Width of a row; raises FeaturesNotFoundError where there is no row yet."""
        if not self.shards:
            raise FeaturesNotFoundError("the set holds no rows yet: run `featx extract`")
        return self.shards[0].n_features

    def take(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        """Return the rows at ``positions`` as ``(len(positions), d)``.

        One run of neighbouring rows in one uncompressed shard is mapped, not copied.

        Raises
        ------
        CacheFormatError
            A row fails its checksum.
        """
        if not len(positions):
            return np.zeros((0, self.n_features), self.spec.storage)
        starts = self._run_starts(positions)
        if len(starts) == 1:
            return self._run(positions)
        if len(positions) < MIN_RUN_ROWS * len(starts):
            return self._scattered(positions)
        X = np.empty((len(positions), self.n_features), self.spec.storage)
        for start, stop in zip(starts, [*starts[1:], len(positions)], strict=True):
            X[start:stop] = self._run(positions[start:stop])
        return X

    def cuts(self, positions: NDArray[np.int64], n_rows: int) -> list[int]:
        """Return where to cut ``positions`` into pieces of at most ``n_rows``, ends included.

        Cutting where a shard ends as well lets every piece of a run be mapped.
        """
        owners = np.searchsorted(self._starts, positions, "right")
        changes = np.flatnonzero(np.diff(owners)) + 1
        if len(changes) * MIN_RUN_ROWS > len(positions):
            changes = changes[:0]
        edges = [0, *changes.tolist(), len(positions)]
        cuts = [c for a, b in pairwise(edges) for c in range(a, b, n_rows)]
        return [*cuts, len(positions)]

    def _run_starts(self, positions: NDArray[np.int64]) -> list[int]:
        """Return where runs of neighbouring rows of one shard begin in ``positions``."""
        breaks = positions[1:] - positions[:-1] != 1
        if not breaks.any():
            ends = self._starts[np.searchsorted(self._starts, positions[0], "right") :]
            return [0, *(ends[ends <= positions[-1]] - positions[0]).tolist()]
        breaks |= np.isin(positions[1:], self._starts[1:-1], kind="sort")
        return [0, *(np.flatnonzero(breaks) + 1).tolist()]

    def _run(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        owner = int(np.searchsorted(self._starts, positions[0], "right")) - 1
        first = int(positions[0] - self._starts[owner])
        return self.shards[owner].rows(first, first + len(positions))

    def _scattered(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        X = np.empty((len(positions), self.n_features), self.spec.storage)
        order = np.argsort(positions, kind="stable")
        edges = np.searchsorted(positions[order], self._starts)
        for owner in np.flatnonzero(np.diff(edges)):
            places = order[edges[owner] : edges[owner + 1]]
            self.shards[owner].gather(positions[places] - self._starts[owner], X, places)
        return X

    def _open_all(self, folder: Path) -> None:
        for _ in range(LIST_ATTEMPTS):
            paths = sorted(folder.glob(f"*{SHARD_SUFFIX}"))
            try:
                self._open(paths)
            except FileNotFoundError:
                continue
            return
        raise CacheError(f"the shards in {folder} keep changing while they are listed: try again")

    def _open(self, paths: list[Path]) -> None:
        self.shards, self.damaged = [], []
        for path in paths:
            try:
                shard = Shard(path, self.spec.fingerprint, len(paths) <= MAX_HELD_OPEN)
            except CacheFormatError as error:
                self.damaged.append(error)
                continue
            if shard.dtype == self.spec.storage and shard.n_features == self._width(shard):
                self.shards.append(shard)
            else:
                self.damaged.append(
                    CacheFormatError(f"{path}: its rows do not have the shape of the set's others")
                )

    def _width(self, shard: Shard) -> int:
        return self.shards[0].n_features if self.shards else shard.n_features
