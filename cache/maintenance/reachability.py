"""Which rows are in use: those of images that a source's snapshot names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import FeaturesNotFoundError
from ..format.index import DigestIndex
from ..layout import Layout
from ..manifest import DIGEST_BYTES
from ..records.manifest_file import read_manifest


class LiveDigests:
    """The digests of all images that some snapshots name.

    Parameters
    ----------
    manifests : iterable of Path
        Raises CacheFormatError where one cannot be read: then nobody can tell what is in use.
    """

    def __init__(self, manifests: Iterable[Path]) -> None:
        empty = np.zeros((0, DIGEST_BYTES), np.uint8)
        self._index = DigestIndex(
            np.concatenate([empty, *(read_manifest(path).digests for path in manifests)])
        )

    def mask(self, digests: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Tell which of ``digests`` ``(n, 32)`` are in use, bool ``(n,)``."""
        return self._index.find(digests) >= 0


def all_live(layout: Layout) -> LiveDigests:
    """Return what any snapshot, of a finished or an unfinished run, names.

    Raises
    ------
    CacheFormatError
        A snapshot is damaged.
    FeaturesNotFoundError
        The snapshot of a run is missing, so that its rows would pass for unused.
    """
    for run in layout.run_paths():
        if not layout.manifest(run.stem).exists():
            raise FeaturesNotFoundError(
                f"{layout.manifest(run.stem)} is missing, so that nobody can tell which rows "
                f"{run.stem} uses: extract that source again, or remove it with `featx cache rm`"
            )
    return LiveDigests([*layout.manifest_paths(), *layout.progress_paths()])
