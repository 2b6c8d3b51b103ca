"""ShardSet: all shards of one FeatureSpec, read as one array of rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import CacheFormatError, FeaturesNotFoundError
from .index import DigestIndex
from .manifest import DIGEST_BYTES
from .shard import SUFFIX, Shard
from .spec import FeatureSpec


class ShardSet:
    """The rows of one set, in the order of the shards' names.

    Attributes
    ----------
    spec : FeatureSpec
    shards : list of Shard
    damaged : list of CacheFormatError
        One error for each file in the folder that is no readable shard of this set; its rows count
        as missing.
    """

    def __init__(self, folder: Path, spec: FeatureSpec) -> None:
        self.spec = spec
        self.shards: list[Shard] = []
        self.damaged: list[CacheFormatError] = []
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            try:
                self.shards.append(Shard(path, spec.fingerprint))
            except CacheFormatError as error:
                self.damaged.append(error)
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

        One run of neighbouring rows in one shard is mapped, not copied.

        Raises
        ------
        CacheFormatError
            A row fails its checksum.
        """
        owners = np.searchsorted(self._starts, positions, "right") - 1
        if len(positions) and owners[0] == owners[-1] and _is_run(positions):
            first = int(positions[0] - self._starts[owners[0]])
            return self.shards[owners[0]].rows(first, first + len(positions))
        X = np.empty((len(positions), self.n_features), self.spec.storage)
        for owner in np.unique(owners):
            mine = np.flatnonzero(owners == owner)
            local = positions[mine] - self._starts[owner]
            shard = self.shards[owner]
            if _is_run(local):
                X[mine] = shard.rows(int(local[0]), int(local[-1]) + 1)
            else:
                X[mine] = shard.take(local)
        return X


def _is_run(positions: NDArray[np.int64]) -> bool:
    if positions[-1] - positions[0] != len(positions) - 1:
        return False
    return bool((np.diff(positions) == 1).all())
