"""Remove the features of one source under one spec."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import CacheFormatError
from ..layout import MANIFEST_SUFFIX, REMARKS, size_of
from ..records.journal import is_in_use
from ..records.stored import StoredFeatures
from ..run import snapshot_name
from ..shards.shard import Shard
from ..store import FeatureStore
from .gc import remove_results, remove_set_if_empty, results_in
from .reachability import Reachability, refuse_beside_runs, trim


@dataclass(frozen=True)
class Removal:
    """What ``remove`` would delete, or has deleted.

    Attributes
    ----------
    features : StoredFeatures
    shards : list of Path
        Shards that no other source of the set uses a row of.
    shared : list of Path
        Shards that keep the rows that other sources use, and lose the others.
    records : list of Path
        The run record and unfinished journals of the source, and its snapshot, quarantine and
        results where no other set needs them.
    n_bytes : int
        Without the views.
    views : list of Removal
        Of the random views of the images, which go with them.
    """

    features: StoredFeatures
    shards: list[Path] = field(default_factory=list)
    shared: list[Path] = field(default_factory=list)
    records: list[Path] = field(default_factory=list)
    n_bytes: int = 0
    views: list[Removal] = field(default_factory=list)

    @property
    def total_bytes(self) -> int:
        """Bytes of the features and their views."""
        return self.n_bytes + sum(view.n_bytes for view in self.views)


def find_removal(store: FeatureStore, name: str) -> Removal:
    """Say what ``remove`` would delete; changes nothing.

    Raises
    ------
    FeaturesNotFoundError
        Nothing answers to ``name``, or more than one does.
    CacheFormatError
        The snapshot of another source of the set is damaged.
    """
    features = store.find(name, only_one=True)
    return replace(
        _removal_of(store, features),
        views=[_removal_of(store, view) for view in _views_of(store, features)],
    )


def _views_of(store: FeatureStore, features: StoredFeatures) -> list[StoredFeatures]:
    return [
        one
        for one in store.list_features()
        if one.spec.view
        and one.record.manifest == features.record.manifest
        and one.spec.original == features.spec
    ]


def _removal_of(store: FeatureStore, features: StoredFeatures) -> Removal:
    used = Reachability(lambda: _files_of_others(store, features))
    paths = store.layout.shard_paths(features.record.fingerprint)
    shared = [path for path in paths if _is_used(path, used)]
    shards = [path for path in paths if path not in shared]
    records = records_of(store, features)
    n_bytes = sum(map(size_of, [*shards, *records]))
    return Removal(features, shards, shared, records, n_bytes)


def remove(store: FeatureStore, name: str) -> Removal:
    """Delete the features that ``name`` names, and views; rows that others use stay.

    The run record goes first: cut short, the features are gone and ``gc`` removes the rest.

    Raises
    ------
    CacheError
        The cache is behind a URL, and runs may be writing.
    """
    refuse_beside_runs(store)
    removal = find_removal(store, name)
    for one in (*removal.views, removal):
        _remove(store, one)
    return removal


def _remove(store: FeatureStore, removal: Removal) -> None:
    features = removal.features
    for path in removal.records:
        path.unlink(missing_ok=True)
    used = Reachability(lambda: _files_of_others(store, features))
    for path in (*removal.shards, *removal.shared):
        with suppress(CacheFormatError):  # a damaged shard is for `repair`
            trim(store, path, used)
    remove_set_if_empty(store, features.record.fingerprint)
    for folder in _result_folders(store, features):
        remove_results(folder)
    with suppress(OSError):  # other files are in it, or there is none
        store.layout.labels(features.record.manifest).rmdir()


def _files_of_others(store: FeatureStore, features: StoredFeatures) -> list[Path]:
    """Return the snapshots and journals of other sources of the set, and of runs that are alive."""
    record, layout = features.record, store.layout
    own = _own_journals(store, features)
    journals = [
        journal.path
        for journal in store.read_journals()
        if record.fingerprint in journal.header.fingerprints and journal.path not in own
    ]
    runs = [path for path in layout.run_paths(record.fingerprint) if path.stem != record.manifest]
    return [*journals, *(p for p in (layout.manifest(run.stem) for run in runs) if p.exists())]


def _own_journals(store: FeatureStore, features: StoredFeatures) -> list[Path]:
    """Return the journals that dead runs over the source have left."""
    record = features.record
    return [
        journal.path
        for journal in store.read_journals()
        if snapshot_name(journal.header) == record.manifest
        and record.fingerprint in journal.header.fingerprints
        and not is_in_use(journal.path)
    ]


def _is_used(path: Path, used: Reachability) -> bool:
    try:
        shard = Shard(path, path.parent.parent.name, keep_open=False)
    except CacheFormatError:
        return True
    return bool(used.mask(shard.digests).any())


def records_of(store: FeatureStore, features: StoredFeatures) -> list[Path]:
    """Return the files that say that a source has features in a set, and nothing else needs."""
    layout, name = store.layout, features.record.manifest
    run = layout.run(features.record.fingerprint, name)
    results = [path for f in _result_folders(store, features) for path in results_in(f)]
    records = [run, *_own_journals(store, features), *results]
    if not any(path.stem == name and path != run for path in layout.run_paths()):
        lists = (layout.quarantine(name), layout.quarantine(name + REMARKS))
        records += [layout.manifest(name), *lists, *layout.labels(name).glob(f"*{MANIFEST_SUFFIX}")]
    return [path for path in records if path.exists()]


def _result_folders(store: FeatureStore, features: StoredFeatures) -> tuple[Path, Path]:
    return store.layout.results(features.name), store.layout.sweeps(features.name)
