"""Reachability: which rows are in use, by finished and by unfinished runs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import FeaturesNotFoundError
from ..manifest import DIGEST_BYTES
from ..records.journal import Journal
from ..records.manifest_file import read_manifest
from ..shards.index import DigestIndex
from ..store import FeatureStore

STALE_DAYS = 7
SECONDS_A_DAY = 86_400


class ReachableDigests:
    """The digests of all images that some snapshots and journals name.

    Parameters
    ----------
    manifests : iterable of Path
        Raises CacheFormatError where one cannot be read: then nobody can tell what is in use.
    journals : iterable of Journal
    """

    def __init__(self, manifests: Iterable[Path], journals: Iterable[Journal]) -> None:
        named = [read_manifest(path).digests for path in manifests]
        named += [journal.digests for journal in journals]
        empty = np.zeros((0, DIGEST_BYTES), np.uint8)
        self._index = DigestIndex(np.concatenate([empty, *named]))

    def mask(self, digests: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Tell which of ``digests`` ``(n, 32)`` are in use, bool ``(n,)``."""
        return self._index.find(digests) >= 0


def reachable_digests(store: FeatureStore) -> ReachableDigests:
    """Return what any snapshot of a finished run, or any journal that is not stale, names.

    Raises
    ------
    CacheFormatError
        A snapshot or a journal is damaged.
    FeaturesNotFoundError
        The snapshot of a run is missing, so that its rows would pass for unused.
    """
    layout = store.layout
    # Journals first: a run writes its snapshot before its journal goes.
    journals = [journal for journal in store.read_journals() if not is_stale(journal)]
    for run in layout.run_paths():
        if not layout.manifest(run.stem).exists():
            raise FeaturesNotFoundError(
                f"{layout.manifest(run.stem)} is missing, so that nobody can tell which rows "
                f"{run.stem} uses: extract that source again, or remove it with `featx cache rm`"
            )
    unfinished = [path for path in layout.progress_paths() if not is_old(path)]
    return ReachableDigests([*layout.manifest_paths(), *unfinished], journals)


def is_stale(journal: Journal) -> bool:
    """Tell whether a run is dead and has named nothing for ``STALE_DAYS``."""
    return is_old(journal.path) and not journal.is_in_use


def is_old(path: Path) -> bool:
    """Tell whether nobody has touched a file for ``STALE_DAYS``."""
    try:
        return path.stat().st_mtime < time.time() - STALE_DAYS * SECONDS_A_DAY
    except FileNotFoundError:
        return False
