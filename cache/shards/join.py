"""Joining small shards into large ones: when a run ends, and for ``featx cache compact``.

The joined shard stands before the small ones go: killed in between, rows are there twice and the
first answers. Two processes that join the same shards leave rows twice as well; a lock, for which
nobody waits, makes that rare.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..layout import SHARD_SUFFIX, size_of
from ..places.copies import Copies
from ..places.remote_path import RemotePath
from ..spec import FeatureSpec
from .shard import Shard, write_rows
from .shardset import ShardSet

TARGET_BYTES = 256 << 20
# A set of any size ends with about this many shards.
MOST_SHARDS = 16
FEW_SHARDS = 8


def join_small_shards(folder: Path, spec: FeatureSpec, target_bytes: int = TARGET_BYTES) -> None:
    """Join the shards in ``folder`` that are small, unless they are few.

    Small is less than half of ``target_bytes``, or of a sixteenth of all rows where that is more. A
    shard that is larger than all that it would be joined with stays, so that many short runs, one
    after the other, do not write the same rows again and again. Behind a URL, only shards of which
    this machine has a copy are joined: those that it wrote.

    Raises
    ------
    CacheWriteError
        The disk refused; all rows are still there.
    CacheFormatError
        A row is damaged; all rows are still there.
    """
    paths = sorted(folder.glob(f"*{SHARD_SUFFIX}"))
    target = max(target_bytes, sum(map(size_of, paths)) // MOST_SHARDS)
    small = [path for path in paths if size_of(path) < target // 2 and _is_at_hand(path)]
    if len(small) <= FEW_SHARDS:
        return
    with joining(folder) as is_free:
        if is_free:
            # One after the other: of those that are joined already, nothing stays in memory.
            shards = (
                Shard(path, spec.fingerprint, keep_open=False) for path in small if path.exists()
            )
            for group in groups(shards, target):
                join(_alike(group), group[0].compression)


def groups(shards: Iterable[Shard], target_bytes: int) -> Iterator[list[Shard]]:
    """Cut neighbouring shards into groups of at most ``target_bytes`` of rows each."""
    group: list[Shard] = []
    for shard in shards:
        n_bytes = sum(member.row_bytes for member in group) + shard.row_bytes
        if group and n_bytes > target_bytes:
            yield group
            group = []
        group.append(shard)
    if group:
        yield group


def join(shards: Sequence[Shard], compression: str) -> int:
    """Write one shard, then remove those that it replaces; return how many duplicates it drops.

    Rows are read block by block and checked, so memory is bounded.
    """
    if not shards:
        return 0
    first = shards[0]
    digests = np.concatenate([shard.digests for shard in shards])
    views = np.concatenate([shard.views for shard in shards])
    keys = np.concatenate([digests, views.astype("<u2")[:, None].view(np.uint8)], axis=1)
    kept = np.sort(np.unique(keys, axis=0, return_index=True)[1])
    rows = _JoinedRows(ShardSet(first.spec, shards), kept)
    columns = (digests[kept], views[kept], rows)
    write_rows(first.path.parent, first.spec, columns, compression)
    for shard in shards:
        shard.path.unlink(missing_ok=True)
    return len(digests) - len(kept)


@contextmanager
def joining(folder: Path) -> Iterator[bool]:
    """Hold the lock on joining in ``folder``; yields whether it was free.

    Behind a URL, the lock is one of this machine.
    """
    if isinstance(folder, RemotePath):
        with Copies.of_user().lock(str(folder)) as is_free:
            yield is_free
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return True


def _is_at_hand(path: Path) -> bool:
    return not isinstance(path, RemotePath) or path.has_copy


def _alike(group: Sequence[Shard]) -> list[Shard]:
    """Return the shards that are compressed as the first, without one larger than all others."""
    alike = [shard for shard in group if shard.compression == group[0].compression]
    while len(alike) > 1:
        largest = max(alike, key=lambda shard: shard.row_bytes)
        if 2 * largest.row_bytes <= sum(shard.row_bytes for shard in alike):
            return alike
        alike.remove(largest)
    return []


class _JoinedRows:
    """Rows of several shards, read as they are sliced; pages that were read are given back."""

    def __init__(self, shards: ShardSet, positions: NDArray[np.int64]) -> None:
        self._shards, self._positions = shards, positions
        self.shape: tuple[int, ...] = (len(positions), shards.n_features)
        self.dtype: np.dtype[Any] = shards.shards[0].dtype

    def __getitem__(self, rows: slice, /) -> NDArray[Any]:
        X = self._shards.take(self._positions[rows])
        for shard in self._shards.shards:
            shard.release_pages()
        return X
