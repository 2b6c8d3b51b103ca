"""How much a cache holds, what several sources share counted once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..layout import size_of
from ..places.remote_path import RemotePath
from ..records.stored import StoredFeatures
from ..store import FeatureStore


@dataclass(frozen=True)
class Usage:
    """What a cache holds.

    Attributes
    ----------
    n_sets, n_shards : int
    n_bytes : int
        Of all shards.
    n_shared_bytes : int
        Of the shards of sets that several sources use.
    n_unused_bytes : int
        Of the shards of sets that no source uses.
    n_other_bytes : int
        Of all other files: snapshots, journals, results, what ``repair`` has set aside.
    """

    n_sets: int
    n_shards: int
    n_bytes: int
    n_shared_bytes: int
    n_unused_bytes: int
    n_other_bytes: int


def sources_of_sets(stored: Sequence[StoredFeatures]) -> Counter[str]:
    """Return how many sources have features in each set, by fingerprint."""
    return Counter(features.record.fingerprint for features in stored)


def measure_usage(store: FeatureStore, stored: Sequence[StoredFeatures]) -> Usage:
    """Add up the files of a cache, of which ``stored`` is listed."""
    n_sources = sources_of_sets(stored)
    n_shards, sizes = 0, dict.fromkeys(store.layout.fingerprints(), 0)
    for fingerprint in sizes:
        paths = store.layout.shard_paths(fingerprint)
        n_shards += len(paths)
        sizes[fingerprint] = sum(map(size_of, paths))
    n_bytes = sum(sizes.values())
    return Usage(
        n_sets=len(sizes),
        n_shards=n_shards,
        n_bytes=n_bytes,
        n_shared_bytes=sum(size for name, size in sizes.items() if n_sources[name] > 1),
        n_unused_bytes=sum(size for name, size in sizes.items() if not n_sources[name]),
        n_other_bytes=max(0, bytes_below(store.root) - n_bytes),
    )


def bytes_below(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    if isinstance(folder, RemotePath):
        return sum(size_of(path) for path in folder.rglob("*"))
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += (Path(parent) / name).lstat().st_size
    return total
