"""Album: the thumbnails that a page carries, in sheets."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from ....cache import FeatureSpec
from ....cache.errors import ImageError
from ....extractor.images.decode import stored_size, strict_images
from ....extractor.images.sprite import encode_sprite, make_sprite, n_columns
from ....extractor.pipeline.thumbnails import read_thumbnails, thumbnail_geometry
from ....extractor.run_options import Observer
from ....extractor.sources.snapshot_images import SnapshotImages

SHEET_IMAGES = 1024
SMALLEST, LARGEST = 28, 64
N_MEASURED = 16


@dataclass
class Album:
    """Thumbnails of some samples, each in a cell of a sheet.

    Attributes
    ----------
    side : int
        Pixels of a thumbnail.
    sheets : list of str
        WebP pictures as base64, each a square grid read row by row.
    columns : list of int
        Thumbnails side by side in each sheet.
    cells : dict of int to (sheet, cell)
        By the sample's number in the manifest.
    n_bytes : int
    reasons : dict of int to str
        Why a sample has no thumbnail though its image was wanted.
    """

    side: int = LARGEST
    sheets: list[str] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    cells: dict[int, tuple[int, int]] = field(default_factory=dict)
    n_bytes: int = 0
    reasons: dict[int, str] = field(default_factory=dict)


def make_album(
    images: SnapshotImages,
    samples: Sequence[int],
    spec: FeatureSpec,
    max_bytes: int,
    observer: Observer,
) -> Album:
    """Return the thumbnails of ``samples``, the first ones first, until ``max_bytes`` are used.

    Parameters
    ----------
    images : SnapshotImages
    samples : sequence of int
        Distinct numbers in the manifest; the most wanted come first.
    spec : FeatureSpec
        Whose background and range of pixel values the thumbnails have.
    max_bytes : int
        Of all sheets together.
    observer : Observer
        Hears how many thumbnails are made.
    """
    album = Album(thumbnail_side(images, samples, LARGEST))
    geometry = thumbnail_geometry(spec, album.side)
    observer.begin(len(samples), "thumbnails")
    for start in range(0, len(samples), SHEET_IMAGES):
        part = samples[start : start + SHEET_IMAGES]
        thumbnails = read_thumbnails(images, part, geometry, observer.advance)
        readable = [i for i in range(len(part)) if i not in thumbnails.reasons]
        album.reasons |= {part[i]: reason for i, reason in thumbnails.reasons.items()}
        if not readable:
            continue
        data = encode_sprite(make_sprite(thumbnails.pixels[readable]), "WEBP")
        if album.n_bytes + len(data) > max_bytes:
            break
        album.n_bytes += len(data)
        album.cells |= {part[i]: (len(album.sheets), cell) for cell, i in enumerate(readable)}
        album.columns.append(n_columns(len(readable)))
        album.sheets.append(base64.b64encode(data).decode("ascii"))
    return album


def thumbnail_side(images: SnapshotImages, samples: Sequence[int], largest: int) -> int:
    """Return the side of thumbnails: that of the images, if they are small, else ``largest``."""
    sides = []
    with strict_images():
        for sample in samples[:: max(1, len(samples) // N_MEASURED)]:
            with suppress(OSError, ImageError):
                sides.append(max(stored_size(images.read(sample))))
    return int(np.clip(np.median(sides), SMALLEST, largest)) if sides else largest
