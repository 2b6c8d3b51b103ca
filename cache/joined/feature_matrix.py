"""FeatureMatrix: rows of one set, or of several side by side, read from the cache when indexed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CacheError
from ..shards.set_index import open_set
from ..shards.shardset import ShardSet
from .joined_shards import JoinedShards

BLOCK_ROWS = 4096
# With one block ahead the reading thread stands still whenever both it and its user finish at once.
BLOCKS_AHEAD = 2
AnyShards = ShardSet | JoinedShards


class FeatureMatrix:
    """A read-only matrix of features that is read from the cache as it is indexed.

    It has ``shape``, ``dtype`` and ``len``, takes integers, slices, index arrays and masks of rows,
    and becomes an ndarray through ``numpy.asarray``.
    """

    def __init__(self, shards: AnyShards, positions: NDArray[np.int64]) -> None:
        self._shards = shards
        self._positions = positions

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_samples, n_features)``."""
        return len(self._positions), self._shards.n_features

    @property
    def dtype(self) -> np.dtype[Any]:
        """Number format of the stored rows."""
        return np.dtype(self._shards.spec.storage)

    @property
    def ndim(self) -> int:
        """Always 2."""
        return 2

    @property
    def widths(self) -> tuple[int, ...]:
        """Number of columns of each set that stands in a row; of joined features, several."""
        return self._shards.widths

    def __len__(self) -> int:
        return len(self._positions)

    def __repr__(self) -> str:
        n_samples = len(self)
        width = f"{self.shape[1]:,}" if self._shards.shards else "?"
        return f"FeatureMatrix({n_samples:,} samples × {width} features, {self.dtype}, on disk)"

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        if isinstance(rows, int | np.integer):
            row: NDArray[Any] = self._shards.take(self._positions[int(rows)].reshape(1))[0]
            return row
        return self._shards.take(self._positions[rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self[:], dtype=dtype) if copy else np.asarray(self[:], dtype=dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle where the rows lie in the cache, and not the rows."""
        return _reopened, (self._shards.address, self._shards.digests_at(self._positions))

    def select(self, rows: NDArray[np.int64]) -> FeatureMatrix:
        """Return some rows as a matrix that is read as it is indexed."""
        return FeatureMatrix(self._shards, self._positions[rows])

    def lacking(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of ``rows`` that the set has no features of."""
        return rows[self._positions[rows] < 0]

    def window(self, start: int, stop: int) -> FeatureMatrix:
        """Return the rows from ``start`` to ``stop`` as a matrix that is read as it is indexed."""
        return FeatureMatrix(self._shards, self._positions[start:stop])

    def blocks(self, n_rows: int = BLOCK_ROWS) -> Iterator[NDArray[Any]]:
        """Iterate over the rows in blocks of at most ``n_rows``, in order.

        While one block is used, a thread reads and checks the next two. Neighbouring rows of one
        uncompressed shard are mapped; all others take up to four blocks of memory.
        """
        cuts = self._shards.cuts(self._positions, n_rows)
        coming: deque[Future[NDArray[Any]]] = deque()
        with ThreadPoolExecutor(1, thread_name_prefix="featx-read") as reader:
            for start, stop in pairwise(cuts):
                coming.append(reader.submit(self.__getitem__, slice(start, stop)))
                if len(coming) > BLOCKS_AHEAD:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()


def _reopened(address: Any, digests: NDArray[np.uint8]) -> FeatureMatrix:
    """Open the rows of some images in another process."""
    is_one = isinstance(address[0], Path)
    addresses = [address] if is_one else address
    sets = [open_set(folder, spec, digests) for folder, spec in addresses]
    shards: AnyShards = sets[0] if is_one else JoinedShards(sets)
    positions = shards.index.find(digests)
    if (positions < 0).any():
        raise CacheError(
            f"{addresses[0][0]} lacks rows that were there when the work "
            "was handed out. Every machine needs the cache under the same path; run the command "
            "again"
        )
    return FeatureMatrix(shards, positions)


def join_shards(*several: AnyShards) -> JoinedShards:
    """Return the sets side by side; those of joined ones one after the other."""
    sets = [s for one in several for s in (one.sets if isinstance(one, JoinedShards) else [one])]
    return JoinedShards(sets)
