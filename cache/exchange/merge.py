"""Merge: take over what another cache holds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import CacheFormatError, CacheWriteError, FeaturesNotFoundError
from ..format.atomic import atomic_path
from ..format.sharing import is_shared, make_folder
from ..layout import list_folder, size_of
from ..places.remote_path import RemotePath
from ..records.layers import check_layers
from ..records.manifest_file import read_manifest
from ..records.run_record import read_run
from ..records.split_table import read_assignments
from ..shards.shard import Shard
from ..store import FeatureStore


@dataclass
class MergeReport:
    """What ``merge`` took over.

    Attributes
    ----------
    n_shards, n_rows, n_bytes : int
    n_present : int
        Shards that were there already.
    n_sources, n_runs : int
        Snapshots of sources and run records that were new, or newer than ours.
    notes : list of str
        Conflicts, and how they were settled.
    damaged : list of str
        Files of the other cache that were left there because they cannot be trusted.
    """

    n_shards: int = 0
    n_rows: int = 0
    n_bytes: int = 0
    n_present: int = 0
    n_sources: int = 0
    n_runs: int = 0
    notes: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


def merge(store: FeatureStore, other: FeatureStore) -> MergeReport:
    """Adopt the other cache's shards, snapshots, runs, quarantines and splits; it is not changed.

    Every shard is read in full on the way. Of two snapshots or runs of one name the newer stays, of
    two splits of an image the one that was assigned first. Done twice, the second time changes
    nothing; cut short, the same call goes on.

    Raises
    ------
    FeaturesNotFoundError
        The other folder is no cache.
    CacheWriteError
        The disk refused; what was adopted by then is whole.
    """
    if "sets" not in (path.name for path in list_folder(other.root)):
        raise FeaturesNotFoundError(f"{other.root} is no feature cache: it has no folder `sets`")
    report = MergeReport()
    # Names before rows: what an unfinished run there has written is to stay here as well.
    for path in other.layout.journal_paths():
        _merge_journal(store, path)
    for fingerprint in other.layout.fingerprints():
        _merge_set(store, other, fingerprint, report)
    for path in other.layout.manifest_paths():
        _merge_source(store, other, path, report)
    for path in other.layout.run_paths():
        _merge_run(store, path, report)
    layout = other.layout
    for path in (*layout.split_paths(), *layout.label_paths(), *layout.layer_paths()):
        _merge_checked(store, other, path, report)
    return report


def _merge_set(
    store: FeatureStore, other: FeatureStore, fingerprint: str, report: MergeReport
) -> None:
    try:
        spec = other.read_spec(fingerprint)
    except CacheFormatError as error:
        report.damaged.append(str(error))
        return
    for path in other.layout.shard_paths(fingerprint):
        target = store.layout.shards(fingerprint) / path.name
        if target.exists():
            report.n_present += 1
            continue
        try:
            shard = Shard(path, fingerprint)
            n_bad = len(shard.bad_rows())
        except CacheFormatError as error:
            report.damaged.append(str(error))
            continue
        if n_bad:
            report.damaged.append(f"{path}: {n_bad} damaged rows")
            continue
        store.write_spec(spec)
        _adopt(path, target)
        report.n_shards += 1
        report.n_rows += len(shard)
        report.n_bytes += size_of(target)


def _adopt(path: Path, target: Path) -> None:
    """Give ``path`` a second name, or copy it where the file system cannot; both are atomic.

    A shared cache takes a copy: the permissions of the other cache's file are not changed.
    """
    try:
        make_folder(target.parent)
        is_local = not (isinstance(path, RemotePath) or isinstance(target, RemotePath))
        if is_local and not is_shared(target.parent):
            os.link(path, target)
            return
    except FileExistsError:
        return
    except FileNotFoundError as error:
        raise CacheWriteError(f"{path} went away while it was adopted: try again") from error
    except OSError:
        pass
    with atomic_path(target) as partial:
        shutil.copyfile(path, partial)


def _merge_journal(store: FeatureStore, path: Path) -> None:
    copy = store.layout.journal(path.stem)
    if not copy.exists():
        with suppress(FileNotFoundError), atomic_path(copy) as partial:
            shutil.copyfile(path, partial)


def _merge_source(
    store: FeatureStore, other: FeatureStore, path: Path, report: MergeReport
) -> None:
    name = path.stem
    try:
        theirs = read_manifest(path)
        bad = other.read_quarantine(name)
    except CacheFormatError as error:
        report.damaged.append(str(error))
        return
    ours = store.read_manifest(name)
    if ours is not None:
        if ours.data_digest == theirs.data_digest:
            return
        kept = "ours" if ours.created_ns >= theirs.created_ns else "theirs"
        report.notes.append(f"both caches know the source {name}: kept {kept}, which is newer")
        if kept == "ours":
            return
    store.write_manifest(theirs)
    store.write_quarantine(name, bad)
    report.n_sources += 1


def _merge_checked(
    store: FeatureStore, other: FeatureStore, path: Path, report: MergeReport
) -> None:
    target = store.root / path.relative_to(other.root)
    read: dict[Path, Callable[[Path], object]] = {
        other.layout.splits: read_assignments,
        other.layout.tuned: check_layers,
    }
    try:
        read.get(path.parent, read_manifest)(path)
    except CacheFormatError as error:
        report.damaged.append(str(error))
        return
    if not target.exists():
        _adopt(path, target)


def _merge_run(store: FeatureStore, path: Path, report: MergeReport) -> None:
    try:
        theirs = read_run(path)
    except CacheFormatError as error:
        report.damaged.append(str(error))
        return
    target = store.layout.run(theirs.fingerprint, theirs.manifest)
    has_snapshot = store.layout.manifest(theirs.manifest).exists()
    has_spec = store.layout.spec(theirs.fingerprint).exists()
    if not has_snapshot or not has_spec:
        report.damaged.append(f"{path}: left out, as its snapshot or its set could not be adopted")
        return
    if target.exists() and read_run(target).finished_ns >= theirs.finished_ns:
        return
    store.write_run(theirs)
    report.n_runs += 1
