"""ShardSet: several shards of one FeatureSpec, read as one array of rows."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import CacheError, CacheFormatError, FeaturesNotFoundError
from ..layout import SHARD_SUFFIX, list_folder
from ..manifest import DIGEST_BYTES
from ..places.remote_path import RemotePath
from ..spec import FeatureSpec
from .index import DigestIndex
from .open_files import OPEN_FILES
from .shard import Shard

# A listing outlives the files it names while `compact` or `gc` replaces them.
LIST_ATTEMPTS = 10
MIN_RUN_ROWS = 8


class ShardSet:
    """The rows of some shards, in the order of the shards' names, which is that of their making.

    Any number of shards is read within any limit on open files. Where a shard was joined into
    another one meanwhile, its rows are read from there.

    Parameters
    ----------
    spec : FeatureSpec
    shards : sequence of Shard

    Attributes
    ----------
    spec : FeatureSpec
    shards : list of Shard
    damaged : list of CacheFormatError
        One error for each file in the folder that is no readable shard of this set; its rows count
        as missing.
    folder : Path or None
        Where rows are looked for that have moved into another shard.
    index : DigestIndex
        Finds rows by digest.
    """

    def __init__(self, spec: FeatureSpec, shards: Sequence[Shard]) -> None:
        self.spec = spec
        self.shards = list(shards)
        self.damaged: list[CacheFormatError] = []
        self.folder: Path | None = None
        # For each shard that is gone: the set, opened later, and the positions of its rows there.
        self._moved: dict[int, tuple[ShardSet, NDArray[np.int64]]] = {}
        self._successor: ShardSet | None = None
        self._starts = np.cumsum([0, *(len(shard) for shard in self.shards)])
        empty = np.zeros((0, DIGEST_BYTES), np.uint8)
        self.index = DigestIndex(np.concatenate([empty, *(s.digests for s in self.shards)]))

    @classmethod
    def open(
        cls, folder: Path, spec: FeatureSpec, indexed: Mapping[str, Shard] | None = None
    ) -> Self:
        """Open all shards in ``folder``; raises CacheError where the system refuses.

        Of those in ``indexed``, by file name, what is in them is known already.
        """
        for _ in range(LIST_ATTEMPTS):
            paths = list_folder(folder, SHARD_SUFFIX)
            # A copy of a file behind a URL must be able to go, so it is not kept open.
            keep_open = not isinstance(folder, RemotePath) and OPEN_FILES.keep(len(paths))
            shards: list[Shard] = []
            damaged: list[CacheFormatError] = []
            try:
                for path in paths:
                    if indexed and path.name in indexed:
                        shards.append(indexed[path.name])
                    else:
                        _open_one(path, spec, keep_open, shards, damaged)
            except BaseException as error:
                if keep_open:
                    OPEN_FILES.release(len(paths))
                if isinstance(error, FileNotFoundError):
                    continue
                raise
            opened = cls(spec, shards)
            opened.damaged, opened.folder = damaged, folder
            if keep_open:
                weakref.finalize(opened, OPEN_FILES.release, len(paths))
            return opened
        raise CacheError(f"the shards in {folder} keep changing while they are listed: try again")

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def address(self) -> tuple[Path, FeatureSpec]:
        """The folder and the spec, with which another process opens the set.

        Raises
        ------
        CacheError
            The set was not opened from a folder.
        """
        if self.folder is None:
            raise CacheError("these shards were put together by hand, and lie in no folder")
        return self.folder.absolute(), self.spec

    def digests_at(self, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the digests ``(len(positions), 32)`` of the images of some rows."""
        return np.concatenate([s.digests for s in self.shards])[positions]

    @property
    def n_features(self) -> int:
        """Width of a row; raises FeaturesNotFoundError where there is no row yet."""
        if not self.shards:
            raise FeaturesNotFoundError("the set holds no rows yet: run `featx extract`")
        return self.shards[0].n_features

    @property
    def widths(self) -> tuple[int, ...]:
        """Number of columns of each set that stands in a row: of this one alone."""
        return (self.n_features,)

    def take(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        """Return the rows at ``positions`` as ``(len(positions), d)``.

        One run of neighbouring rows in one uncompressed shard that is kept open is mapped, not
        copied.

        Raises
        ------
        CacheFormatError
            A row fails its checksum.
        CacheError
            A row was deleted since the set was opened.
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
        rows = positions - self._starts[owner]
        if owner not in self._moved:
            try:
                return self.shards[owner].rows(int(rows[0]), int(rows[-1]) + 1)
            except FileNotFoundError:
                self._follow(owner)
        return self._followed(owner, rows)

    def _scattered(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        X = np.empty((len(positions), self.n_features), self.spec.storage)
        order = np.argsort(positions, kind="stable")
        edges = np.searchsorted(positions[order], self._starts)
        for owner in np.flatnonzero(np.diff(edges)).tolist():
            out_rows = order[edges[owner] : edges[owner + 1]]
            rows = positions[out_rows] - self._starts[owner]
            if owner not in self._moved:
                try:
                    self.shards[owner].gather(rows, X, out_rows)
                    continue
                except FileNotFoundError:
                    self._follow(owner)
            X[out_rows] = self._followed(owner, rows)
        return X

    def _follow(self, owner: int) -> None:
        """Find out where the rows of a shard are that is gone."""
        digests = self.shards[owner].digests
        for is_fresh in (False, True):
            if is_fresh and self.folder is not None:
                self._successor = ShardSet.open(self.folder, self.spec)
            if self._successor is not None:
                positions = self._successor.index.find(digests)
                if (positions >= 0).all():
                    self._moved[owner] = (self._successor, positions)
                    return
        raise CacheError(
            f"{self.shards[owner].path} was removed with its rows while it was in use: run the "
            "command again"
        )

    def _followed(self, owner: int, rows: NDArray[np.int64]) -> NDArray[Any]:
        successor, positions = self._moved[owner]
        return successor.take(positions[rows])


def _open_one(
    path: Path,
    spec: FeatureSpec,
    keep_open: bool,
    shards: list[Shard],
    damaged: list[CacheFormatError],
) -> None:
    """Open one shard and add it to ``shards``, or to ``damaged`` what is wrong with it."""
    try:
        shard = Shard(path, spec.fingerprint, keep_open)
    except CacheFormatError as error:
        damaged.append(error)
        return
    n_features = shards[0].n_features if shards else shard.n_features
    if shard.dtype == spec.storage and shard.n_features == n_features:
        shards.append(shard)
    else:
        problem = "its rows do not have the shape of the set's others"
        damaged.append(CacheFormatError(f"{path}: {problem}"))
