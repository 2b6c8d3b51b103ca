"""Reachability: which rows are in use, by finished and by unfinished runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import CacheError, FeaturesNotFoundError
from ..layout import JOURNAL_SUFFIX
from ..manifest import DIGEST_BYTES
from ..places.remote_path import RemotePath
from ..records.journal import REMOTE_SECONDS, is_in_use, naming_paused, read_journal
from ..records.manifest_file import read_manifest
from ..shards.index import DigestIndex
from ..shards.shard import Shard, copy_rows
from ..store import FeatureStore

STALE_DAYS = 7
SECONDS_A_DAY = 86_400
ATTEMPTS = 10

FileState = tuple[Path, int, int, int]


class Reachability:
    """The digests of all images that some snapshots and journals name, now.

    Files that have not changed since are not read again.

    Parameters
    ----------
    list_files : callable
        Returns the snapshots and journals that count.

    Raises
    ------
    CacheFormatError
        One of them cannot be read: then nobody can tell what is in use.
    """

    def __init__(self, list_files: Callable[[], Iterable[Path]]) -> None:
        self._list_files = list_files
        self._digests: dict[FileState, NDArray[np.uint8]] = {}
        self._index = DigestIndex(np.zeros((0, DIGEST_BYTES), np.uint8))
        self.refresh()

    def mask(self, digests: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Tell which of ``digests`` ``(n, 32)`` were in use at the last ``refresh``."""
        return self._index.find(digests) >= 0

    def refresh(self) -> None:
        """Take in what has been named since."""
        for _ in range(ATTEMPTS):
            try:
                files = {_state_of(path): path for path in self._list_files()}
                digests = {
                    s: self._digests[s] if s in self._digests else _read(p)
                    for s, p in files.items()
                }
            except FileNotFoundError:
                continue  # a run has ended meanwhile: its snapshot stands where its journal stood
            break
        else:
            raise CacheError("runs keep ending while their rows are looked up: try again")
        if digests.keys() != self._digests.keys():
            empty = np.zeros((0, DIGEST_BYTES), np.uint8)
            self._index = DigestIndex(np.concatenate([empty, *digests.values()]))
        self._digests = digests


def _state_of(path: Path) -> FileState:
    status = path.stat()
    return path, status.st_ino, status.st_size, status.st_mtime_ns


def _read(path: Path) -> NDArray[np.uint8]:
    digests = (read_journal if path.suffix == JOURNAL_SUFFIX else read_manifest)(path).digests
    return np.array(digests)  # a copy, so that no snapshot stays open


def reachability(store: FeatureStore, without: frozenset[str] = frozenset()) -> Reachability:
    """Return what any snapshot, or any journal that is not stale, names.

    Parameters
    ----------
    store : FeatureStore
    without : frozenset of str
        Names of snapshots that do not count.

    Raises
    ------
    CacheFormatError
        A snapshot or a journal is damaged.
    FeaturesNotFoundError
        The snapshot of a run is missing, so that its rows would pass for unused.
    """
    layout = store.layout
    for run in layout.run_paths():
        if not layout.manifest(run.stem).exists():
            raise FeaturesNotFoundError(
                f"{layout.manifest(run.stem)} is missing, so that nobody can tell which rows "
                f"{run.stem} uses: extract that source again, or remove it with `featx cache rm`"
            )
    return Reachability(lambda: [p for p in _files_in_use(store) if p.stem not in without])


def _files_in_use(store: FeatureStore) -> list[Path]:
    # Journals first: a run writes its snapshot before its journal goes.
    journals = [path for path in store.layout.journal_paths() if not is_stale(path)]
    unfinished = [path for path in store.layout.progress_paths() if not is_old(path)]
    return [*journals, *store.layout.manifest_paths(), *unfinished]


def refuse_beside_runs(store: FeatureStore) -> None:
    """Refuse to delete rows behind a URL while runs may count on them.

    Raises
    ------
    CacheError
        A run has named rows lately: there is no lock that would hold it back.
    """
    if not isinstance(store.root, RemotePath):
        return
    names = {read_journal(path).header.name for path in _alive(store)}
    if names:
        minutes = int(REMOTE_SECONDS // 60)
        raise CacheError(
            f"nothing was deleted: runs over {', '.join(sorted(names))} have named rows in "
            f"{store.root} within the last {minutes} minutes. Behind a URL nobody can tell whether "
            "they go on, and deleting would take rows that they count on. Let them end (run a "
            f"killed one again), or wait {minutes} minutes"
        )


def _alive(store: FeatureStore) -> list[Path]:
    return [path for path in store.layout.journal_paths() if is_in_use(path)]


def trim(store: FeatureStore, path: Path, reachable: Reachability) -> None:
    """Rewrite a shard without the rows that nobody uses; remove it where that is all of them.

    The new shard stands before the old one goes. Rows that a run names meanwhile stay.

    Raises
    ------
    CacheFormatError
        A row in use is damaged.
    CacheWriteError
        The disk refused; all rows are still there.
    """
    try:
        shard = Shard(path, path.parent.parent.name, keep_open=False)
        for _ in range(ATTEMPTS):
            used = reachable.mask(shard.digests)
            if used.all() and len(shard):
                return
            copy = copy_rows(shard, np.flatnonzero(used)) if used.any() else None
            with naming_paused(store.layout.journals):
                reachable.refresh()
                if not (reachable.mask(shard.digests) & ~used).any():
                    path.unlink(missing_ok=True)
                    return
            if copy is not None:
                copy.unlink(missing_ok=True)
    except FileNotFoundError:
        return  # joined into another shard meanwhile
    raise CacheError(f"runs keep naming rows of {path}: try again when they have ended")


def is_stale(journal: Path) -> bool:
    """Tell whether a run is dead and has named nothing for ``STALE_DAYS``."""
    return is_old(journal) and not is_in_use(journal)


def is_old(path: Path) -> bool:
    """Tell whether nobody has touched a file for ``STALE_DAYS``."""
    try:
        return path.stat().st_mtime < time.time() - STALE_DAYS * SECONDS_A_DAY
    except FileNotFoundError:
        return False
