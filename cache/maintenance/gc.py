"""Garbage: what nothing refers to any more, found first and removed when told to."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import CacheFormatError
from ..layout import size_of
from ..shards.shard import Shard
from ..store import FeatureStore
from .reachability import ReachableDigests, is_old, is_stale, reachable_digests
from .repair import copy_rows

PARTIAL_AGE_SECONDS = 3600.0


@dataclass(frozen=True)
class DeadRows:
    """Rows of one shard that no snapshot names."""

    shard: Path
    n_dead: int
    n_rows: int
    n_bytes: int


@dataclass(frozen=True)
class Garbage:
    """What ``gc`` would remove, or has removed.

    Attributes
    ----------
    rows : list of DeadRows
        Shards to rewrite without these rows, or to remove where all are dead.
    partials : list of Path
        Leftovers of runs that died: files under a temporary name, untouched for an hour (a shard is
        written in seconds, so no living run has one that old), and journals untouched for a week.
    sets : list of Path
        Folders of sets that have neither runs nor rows in use.
    n_bytes : int
        About what becomes free.
    unreadable : list of str
        Damaged shards, which stay until ``repair`` has set them aside.
    """

    rows: list[DeadRows] = field(default_factory=list)
    partials: list[Path] = field(default_factory=list)
    sets: list[Path] = field(default_factory=list)
    n_bytes: int = 0
    unreadable: list[str] = field(default_factory=list)

    @property
    def n_rows(self) -> int:
        """Dead rows in all shards."""
        return sum(dead.n_dead for dead in self.rows)


def find_garbage(store: FeatureStore, partial_age_seconds: float = PARTIAL_AGE_SECONDS) -> Garbage:
    """Say what ``collect_garbage`` would remove; changes nothing.

    Raises
    ------
    CacheFormatError, FeaturesNotFoundError
        A snapshot is damaged or missing: nobody can tell which rows are in use.
    """
    reachable = reachable_digests(store)
    rows: list[DeadRows] = []
    unreadable: list[str] = []
    for fingerprint in store.layout.fingerprints():
        for path in store.layout.shard_paths(fingerprint):
            try:
                shard = Shard(path, fingerprint, keep_open=False)
            except CacheFormatError as error:
                unreadable.append(str(error))
                continue
            n_dead = int((~reachable.mask(shard.digests)).sum())
            if n_dead or not len(shard):
                n_bytes = size_of(path) * n_dead // max(1, len(shard))
                rows.append(DeadRows(path, n_dead, len(shard), n_bytes))
    partials = _leftovers(store, partial_age_seconds)
    n_bytes = sum(dead.n_bytes for dead in rows) + sum(map(size_of, partials))
    return Garbage(rows, partials, _idle_sets(store, rows), n_bytes, unreadable)


def collect_garbage(
    store: FeatureStore, partial_age_seconds: float = PARTIAL_AGE_SECONDS
) -> Garbage:
    """Remove what nothing refers to any more; features of images in use are not touched.

    A shard with dead rows is rewritten: the new file stands before the old one goes, so a crash in
    between costs nothing, and readers that hold the old file open keep it.

    Raises
    ------
    CacheFormatError, FeaturesNotFoundError
        As ``find_garbage``; also where a row in use turns out damaged. Run ``repair`` then.
    CacheWriteError
        The disk refused; all rows in use are still there.
    """
    garbage = find_garbage(store, partial_age_seconds)
    reachable = reachable_digests(store)
    for dead in garbage.rows:
        _rewrite(dead.shard, reachable)
    for path in garbage.partials:
        path.unlink(missing_ok=True)
    for folder in garbage.sets:
        remove_set_if_empty(store, folder.name)
    return garbage


def remove_set_if_empty(store: FeatureStore, fingerprint: str) -> None:
    """Remove the folder of a set that has neither shards nor runs; leave any other."""
    layout = store.layout
    if layout.shard_paths(fingerprint) or layout.run_paths(fingerprint):
        return
    layout.spec(fingerprint).unlink(missing_ok=True)
    folder = layout.set_folder(fingerprint)
    for empty in (folder / "shards", folder / "runs", folder):
        with suppress(OSError):  # not there, or with a foreign file in it: not ours to remove
            empty.rmdir()


def _rewrite(path: Path, reachable: ReachableDigests) -> None:
    try:
        shard = Shard(path, path.parent.parent.name)
    except FileNotFoundError:
        return
    mask = reachable.mask(shard.digests)
    if mask.all() and len(shard):
        return
    if mask.any():
        copy_rows(shard, np.flatnonzero(mask), shard.compression)
    path.unlink(missing_ok=True)


def _leftovers(store: FeatureStore, age_seconds: float) -> list[Path]:
    oldest = time.time() - age_seconds
    stale = [journal.path for journal in store.read_journals() if is_stale(journal)]
    stale += [path for path in store.layout.progress_paths() if is_old(path)]
    for path in store.layout.partials():
        try:
            if path.stat().st_mtime <= oldest:
                stale.append(path)
        except FileNotFoundError:
            continue
    return stale


def _idle_sets(store: FeatureStore, rows: list[DeadRows]) -> list[Path]:
    """Return the sets without runs whose every shard is dead as a whole."""
    layout = store.layout
    gone = {dead.shard for dead in rows if dead.n_dead == dead.n_rows}
    return [
        folder
        for folder in layout.set_folders()
        if not layout.run_paths(folder.name) and gone.issuperset(layout.shard_paths(folder.name))
    ]
