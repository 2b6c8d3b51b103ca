"""Remove the features of one source under one spec."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..errors import CacheFormatError
from ..layout import size_of
from ..shards.shard import Shard
from ..store import FeatureStore, StoredFeatures
from .gc import remove_set_if_empty
from .reachability import ReachableDigests


@dataclass(frozen=True)
class Removal:
    """What ``remove`` would delete, or has deleted.

    Attributes
    ----------
    features : StoredFeatures
    shards : list of Path
        Shards that no other source of the set uses a row of.
    n_shared : int
        Shards that stay because another source uses some of their rows; ``gc`` trims them.
    records : list of Path
        The run record, and the source's snapshot and quarantine where no other set needs them.
    n_bytes : int
    """

    features: StoredFeatures
    shards: list[Path] = field(default_factory=list)
    n_shared: int = 0
    records: list[Path] = field(default_factory=list)
    n_bytes: int = 0


def find_removal(store: FeatureStore, name: str) -> Removal:
    """Say what ``remove`` would delete; changes nothing.

    Raises
    ------
    FeaturesNotFoundError
        Nothing answers to ``name``.
    CacheFormatError
        The snapshot of another source of the set is damaged.
    """
    features = store.find(name)
    record, layout = features.record, store.layout
    run = layout.run(record.fingerprint, record.manifest)
    others = [p for p in layout.run_paths(record.fingerprint) if p.stem != record.manifest]
    snapshots = [layout.manifest(p.stem) for p in others]
    journals = [j for j in store.read_journals() if record.fingerprint in j.header.fingerprints]
    unfinished = [j for j in journals if j.header.name != record.manifest or j.is_in_use]
    paths = layout.shard_paths(record.fingerprint)
    if others or unfinished:
        reachable = ReachableDigests([p for p in snapshots if p.exists()], unfinished)
        shards = [p for p in paths if not _is_used(p, reachable)]
    else:
        shards = paths
    records = [run, *_source_records(store, record.manifest, run)]
    records += [journal.path for journal in journals if journal not in unfinished]
    n_bytes = sum(map(size_of, [*shards, *records]))
    return Removal(features, shards, len(paths) - len(shards), records, n_bytes)


def remove(store: FeatureStore, name: str) -> Removal:
    """Delete the features that ``name`` names; rows that other sources use stay.

    The run record goes first: cut short, the features are gone and ``gc`` removes the rest.
    """
    removal = find_removal(store, name)
    for path in (*removal.records[:1], *removal.shards, *removal.records[1:]):
        path.unlink(missing_ok=True)
    remove_set_if_empty(store, removal.features.record.fingerprint)
    return removal


def _is_used(path: Path, reachable: ReachableDigests) -> bool:
    try:
        shard = Shard(path, path.parent.parent.name, keep_open=False)
    except CacheFormatError:
        return True
    return bool(reachable.mask(shard.digests).any())


def _source_records(store: FeatureStore, name: str, run: Path) -> list[Path]:
    layout = store.layout
    if any(path.stem == name and path != run for path in layout.run_paths()):
        return []
    places = (layout.manifest(name), layout.quarantine(name))
    return [path for path in places if path.exists()]
