"""Garbage collection: finds rows, files and folders that nothing refers to, then removes them."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import CacheFormatError
from ..joined.names import PLUS
from ..layout import PREDICTIONS_SUFFIX, RESULT_SUFFIX, size_of
from ..places.remote_path import RemotePath
from ..results.result import read_result
from ..shards.shard import Shard
from ..store import FeatureStore
from .reachability import is_old, is_stale, reachability, refuse_beside_runs, trim

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
        written in seconds, so no living run has one that old), journals untouched for a week, and,
        of an hour, predictions that no result names and fine-tuned layers that no set is of.
    sets : list of Path
        Folders of sets that have neither runs nor rows in use.
    sweeps : list of Path
        Folders of results on features that are gone.
    n_bytes : int
        About what becomes free.
    unreadable : list of str
        Damaged shards, which stay until ``repair`` has set them aside.
    """

    rows: list[DeadRows] = field(default_factory=list)
    partials: list[Path] = field(default_factory=list)
    sets: list[Path] = field(default_factory=list)
    sweeps: list[Path] = field(default_factory=list)
    n_bytes: int = 0
    unreadable: list[str] = field(default_factory=list)

    @property
    def n_rows(self) -> int:
        """Dead rows in all shards."""
        return sum(dead.n_dead for dead in self.rows)


def find_garbage(
    store: FeatureStore,
    partial_age_seconds: float = PARTIAL_AGE_SECONDS,
    without: frozenset[str] = frozenset(),
) -> Garbage:
    """Say what ``collect_garbage`` would remove; changes nothing.

    Parameters
    ----------
    store : FeatureStore
    partial_age_seconds : float
        How long nobody has touched a file under a temporary name that is removed.
    without : frozenset of str
        Names of snapshots that are about to be forgotten: their rows count as unused.

    Raises
    ------
    CacheFormatError, FeaturesNotFoundError
        A snapshot is damaged or missing: nobody can tell which rows are in use.
    """
    reachable = reachability(store, without)
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
    folders = [*store.layout.sweep_folders(), *store.layout.result_folders()]
    sweeps = [folder for folder in folders if _is_orphaned(store, folder)]
    results = [path for folder in sweeps for path in results_in(folder)]
    n_bytes = sum(dead.n_bytes for dead in rows) + sum(map(size_of, [*partials, *results]))
    idle = _idle_sets(store, rows, without)
    return Garbage(rows, partials, idle, sweeps, n_bytes, unreadable)


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
    CacheError
        The cache is behind a URL, and runs may be writing.
    CacheWriteError
        The disk refused; all rows in use are still there.
    """
    refuse_beside_runs(store)
    garbage = find_garbage(store, partial_age_seconds)
    reachable = reachability(store)
    for dead in garbage.rows:
        trim(store, dead.shard, reachable)
    _index_again(store, garbage)
    for path in garbage.partials:
        path.unlink(missing_ok=True)
    for folder in garbage.sets:
        remove_set_if_empty(store, folder.name)
    for folder in garbage.sweeps:
        remove_results(folder)
    return garbage


def _index_again(store: FeatureStore, garbage: Garbage) -> None:
    """Bring the index of the sets of which shards were rewritten up to date, behind a URL."""
    if isinstance(store.root, RemotePath):
        for fingerprint in {dead.shard.parent.parent.name for dead in garbage.rows}:
            store.index_shards(fingerprint)


def results_in(folder: Path) -> list[Path]:
    """Return the results in a folder of theirs, and their predictions."""
    suffixes = (RESULT_SUFFIX, PREDICTIONS_SUFFIX)
    return [path for suffix in suffixes for path in sorted(folder.glob(f"*{suffix}"))]


def remove_results(folder: Path) -> None:
    """Remove results, and their folder where nothing else lies in it."""
    for path in results_in(folder):
        path.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def _is_orphaned(store: FeatureStore, folder: Path) -> bool:
    """Tell whether the features that a folder of results is named after are gone."""
    manifest, _, fingerprints = folder.name.rpartition("@")
    sets = [path.name for path in store.layout.set_folders()]
    return not store.layout.manifest(manifest).exists() or not all(
        any(name.startswith(fingerprint) for name in sets)
        for fingerprint in fingerprints.split(PLUS)
    )


def remove_set_if_empty(store: FeatureStore, fingerprint: str) -> None:
    """Remove the folder of a set that has neither shards nor runs; leave any other."""
    layout = store.layout
    if layout.shard_paths(fingerprint) or layout.run_paths(fingerprint):
        return
    unused = set(_unused_layers(store))
    layout.spec(fingerprint).unlink(missing_ok=True)
    for path in set(_unused_layers(store)) - unused:  # others may be of a run that begins
        path.unlink(missing_ok=True)
    folder = layout.set_folder(fingerprint)
    for path in layout.indexes(fingerprint).glob("*"):
        path.unlink(missing_ok=True)
    for empty in (folder / "shards", folder / "runs", folder):
        with suppress(OSError):  # not there, or with a foreign file in it: not ours to remove
            empty.rmdir()


def _leftovers(store: FeatureStore, age_seconds: float) -> list[Path]:
    oldest = time.time() - age_seconds
    stale = [path for path in store.layout.journal_paths() if is_stale(path)]
    stale += [path for path in store.layout.progress_paths() if is_old(path)]
    unnamed = [path for f in store.layout.result_folders() for path in _unnamed_predictions(f)]
    for path in (*store.layout.partials(), *unnamed, *_unused_layers(store)):
        try:
            if path.stat().st_mtime <= oldest:
                stale.append(path)
        except FileNotFoundError:
            continue
    return stale


def _unused_layers(store: FeatureStore) -> list[Path]:
    """Return the fine-tuned layers that no set was made with; none where a spec is damaged."""
    paths = store.layout.layer_paths()
    if not paths:
        return []
    try:
        specs = [store.read_spec(fingerprint) for fingerprint in store.layout.fingerprints()]
    except CacheFormatError:
        return []
    used = {spec.weights_digest for spec in specs}
    return [path for path in paths if path.stem not in used]


def _idle_sets(store: FeatureStore, rows: list[DeadRows], without: frozenset[str]) -> list[Path]:
    """Return the sets without runs whose every shard is dead as a whole."""
    layout = store.layout
    gone = {dead.shard for dead in rows if dead.n_dead == dead.n_rows}
    return [
        folder
        for folder in layout.set_folders()
        if all(path.stem in without for path in layout.run_paths(folder.name))
        and gone.issuperset(layout.shard_paths(folder.name))
    ]


def _unnamed_predictions(folder: Path) -> list[Path]:
    """Return the predictions that no result of a folder names; none where a result is damaged."""
    named: set[str] = set()
    for path in folder.glob(f"*{RESULT_SUFFIX}"):
        try:
            result = read_result(path)
        except (FileNotFoundError, CacheFormatError):
            return []
        for split, rows in result.rows.items():
            named |= {
                f"{result.id}.{split}{PREDICTIONS_SUFFIX}",
                f"rows-{rows}{PREDICTIONS_SUFFIX}",
            }
    return [path for path in folder.glob(f"*{PREDICTIONS_SUFFIX}") if path.name not in named]
