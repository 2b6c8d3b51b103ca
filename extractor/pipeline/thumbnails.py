"""Small pictures of a source's images, for people to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...cache import FeatureSpec
from ...cache.errors import ImageError
from ..images.decode import decode, strict_images
from ..images.geometry import Geometry
from ..machine.hardware import n_usable_cores
from ..sources.snapshot_images import SnapshotImages
from .reading.fetch import OURS

BLANK = 208
"""The grey of an image that cannot be had."""
BATCH = 256


@dataclass(frozen=True)
class Thumbnails:
    """Square thumbnails of some samples, in their order.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (n, side, side, 3)
        Even grey where the image cannot be had.
    reasons : dict of int to str
        Why the thumbnails at these positions are grey.
    """

    pixels: NDArray[np.uint8]
    reasons: dict[int, str]


def thumbnail_geometry(spec: FeatureSpec, side: int) -> Geometry:
    """Return the geometry that shows a whole image in a square, in the colours of ``spec``."""
    return Geometry(side, side, "pad", spec.background, spec.pixel_limits)


def read_thumbnails(
    images: SnapshotImages,
    samples: Sequence[int] | NDArray[np.int64],
    geometry: Geometry,
    advance: Callable[[int], None] = lambda _: None,
) -> Thumbnails:
    """Read and decode the images at ``samples``, numbers in the manifest, in several threads.

    ``advance`` hears of each few images that are done.
    """
    pixels = np.full((len(samples), geometry.height, geometry.width, 3), BLANK, np.uint8)
    reasons: dict[int, str] = {}

    def read(position: int) -> None:
        try:
            pixels[position] = decode(images.read(int(samples[position])), [geometry])[0]
        except ImageError as error:
            reasons[position] = str(error)
        except OSError as error:
            if error.errno in OURS:
                raise
            reasons[position] = f"cannot read: {error.strerror or error}"

    with strict_images(), ThreadPoolExecutor(n_usable_cores()) as workers:
        for start in range(0, len(samples), BATCH):
            positions = range(start, min(start + BATCH, len(samples)))
            for _ in workers.map(read, positions):
                pass
            advance(len(positions))
    return Thumbnails(pixels, dict(sorted(reasons.items())))
