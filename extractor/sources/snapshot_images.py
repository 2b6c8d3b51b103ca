"""The images of a snapshot, read again from where its source lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...cache import Manifest
from ...cache.errors import ImageError, SourceError, SourceFormatError, SourceNotFoundError
from .arrays.sample import open_sample
from .crop import Box, split_crop_id
from .files.locate import locate
from .lists.path_list import open_paths
from .open import open_source
from .source import Raw, Source, crop, digest_of


@dataclass(frozen=True)
class SnapshotImages:
    """The images that a manifest lists, each read by its number in the manifest.

    Attributes
    ----------
    manifest : Manifest
    source : Source
    source_rows : ndarray of int64, shape (n_samples,)
        Each sample's number in the source; -1 where the source no longer has it.
    boxes : dict of int to Box
        What samples show of the source's image, by their number; all of it where there is none.
    """

    manifest: Manifest
    source: Source
    source_rows: NDArray[np.int64]
    boxes: dict[int, Box]

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
        raw = crop(self.source.read(row), self.boxes.get(sample))
        if digest_of(raw) != self.manifest.digests[sample].tobytes():
            raise ImageError("changed since its features were made")
        return raw


def open_images(manifest: Manifest, location: str | Path | None = None) -> SnapshotImages:
    """Open the images of a manifest: where they were, or at ``location``.

    Samples are found by their ids. Crops are also found by the ids of their images.

    Raises
    ------
    SourceError
        There is no source, or it has none of the samples.
    """
    source = _open(manifest, location)
    rows, boxes = _find(manifest, source)
    if len(rows) and rows.max() < 0:
        raise SourceNotFoundError(
            f"{source.location} has none of the {len(rows):,} images of {manifest.name}, such as "
            f"{manifest.sample_ids[0]!r}"
        )
    return SnapshotImages(manifest, source, rows, boxes)


def _find(manifest: Manifest, source: Source) -> tuple[NDArray[np.int64], dict[int, Box]]:
    """Return the row in the source of each sample, and the boxes of those that are cut from it."""
    ids = source.listing().sample_ids
    rows = np.arange(len(manifest), dtype=np.int64)
    boxes: dict[int, Box] = {}
    if ids == manifest.sample_ids:
        return rows, boxes
    by_id = {sample_id: row for row, sample_id in enumerate(ids)}
    for sample, sample_id in enumerate(manifest.sample_ids):
        rows[sample] = by_id.get(sample_id, -1)
        image, box = split_crop_id(sample_id)
        if rows[sample] < 0 and box is not None:
            rows[sample], boxes[sample] = by_id.get(image, -1), box
    return rows, boxes


def _open(manifest: Manifest, location: str | Path | None) -> Source:
    place = manifest.location if location is None else location
    if location is None:
        sample = open_sample()
        if manifest.location == sample.location:
            return sample
    try:
        return open_source(place)
    except SourceFormatError:
        source = _open_named_files(manifest, place)
        if source is None:
            raise
        return source
    except SourceError as error:
        if location is not None:
            raise
        # The answer to a source that is typed lists all kinds of sources; here nothing was typed.
        reason = str(error).partition(". Expected")[0]
        raise SourceNotFoundError(
            f"the images of {manifest.name} are not there: {reason}"
        ) from None


def _open_named_files(manifest: Manifest, location: str | Path) -> Source | None:
    """Open the files that the ids name beside a table; None where there are none.

    Such a table was read with options, for its columns or for boxes, that a snapshot does not keep.
    """
    images = dict.fromkeys(split_crop_id(sample_id)[0] for sample_id in manifest.sample_ids)
    try:
        files, name = locate(location)
        return None if name is None else open_paths(files, list(images), str(location), "the ids")
    except SourceError:
        return None
