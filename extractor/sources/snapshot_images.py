"""The images of a snapshot, read again from where its source lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...cache import Manifest
from ...cache.errors import ImageError, SourceError, SourceNotFoundError
from .arrays.sample import open_sample
from .open import open_source
from .source import Raw, Source, digest_of


@dataclass(frozen=True)
class SnapshotImages:
    """The images that a manifest lists, each read by its number in the manifest.

    Attributes
    ----------
    manifest : Manifest
    source : Source
    source_rows : ndarray of int64, shape (n_samples,)
        Each sample's number in the source; -1 where the source no longer has it.
    """

    manifest: Manifest
    source: Source
    source_rows: NDArray[np.int64]

    def read(self, sample: int) -> Raw:
        """Return one image; safe in several threads.

        Raises
        ------
        OSError
            It cannot be read.
        ImageError
            It is gone, or its bytes are not those that the features were made of.
        """
        row = int(self.source_rows[sample])
        if row < 0:
            raise ImageError(f"no longer in {self.source.location}")
        raw = self.source.read(row)
        if digest_of(raw) != self.manifest.digests[sample].tobytes():
            raise ImageError("changed since its features were made")
        return raw


def open_images(manifest: Manifest, location: str | Path | None = None) -> SnapshotImages:
    """Open the images of a manifest: where they were, or at ``location``.

    Samples are found by their ids.

    Raises
    ------
    SourceError
        There is no source, or it has none of the samples.
    """
    source = _open(manifest, location)
    ids = source.listing().sample_ids
    if ids == manifest.sample_ids:
        rows = np.arange(len(manifest), dtype=np.int64)
    else:
        by_id = {sample_id: row for row, sample_id in enumerate(ids)}
        rows = np.array([by_id.get(sample_id, -1) for sample_id in manifest.sample_ids], np.int64)
    if len(rows) and rows.max() < 0:
        raise SourceNotFoundError(
            f"{source.location} has none of the {len(rows):,} images of {manifest.name}, such as "
            f"{manifest.sample_ids[0]!r}"
        )
    return SnapshotImages(manifest, source, rows)


def _open(manifest: Manifest, location: str | Path | None) -> Source:
    if location is None:
        sample = open_sample()
        if manifest.location == sample.location:
            return sample
    try:
        return open_source(manifest.location if location is None else location)
    except SourceError as error:
        if location is not None:
            raise
        # The answer to a source that is typed lists all kinds of sources; here nothing was typed.
        reason = str(error).partition(". Expected")[0]
        raise SourceNotFoundError(
            f"the images of {manifest.name} are not there: {reason}"
        ) from None
