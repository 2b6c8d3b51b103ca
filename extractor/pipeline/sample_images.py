"""A few images from all over a source, to measure on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import ImageError
from ..images.decode import decode, strict_images
from ..images.geometry import Geometry
from .scan import Scan

MAX_TRIES = 64


def sample_images(scan: Scan, geometry: Geometry, n_images: int) -> NDArray[np.uint8]:
    """Return at most ``n_images`` readable images, spread evenly over the source.

    Returns
    -------
    ndarray of uint8, shape (n, height, width, 3)
        Fewer than ``n_images`` where the source is smaller, or too many images cannot be read.
    """
    images: list[NDArray[np.uint8]] = []
    with strict_images():
        for index in spread_indices(scan.n_samples, n_images, MAX_TRIES):
            try:
                images.extend(decode(scan.source.read(index), [geometry]))
            except (OSError, ImageError):
                continue
            if len(images) == n_images:
                break
    shape = (0, geometry.height, geometry.width, 3)
    return np.stack(images) if images else np.zeros(shape, np.uint8)


def spread_indices(n_samples: int, n_images: int, n_tries: int = 0) -> list[int]:
    """Return ``n_images`` indices in even steps through a source, then those between them.

    ``n_tries`` in all, where that is more.
    """
    n_indices = min(n_samples, max(n_images, n_tries))
    indices = np.linspace(0, max(0, n_samples - 1), n_indices).astype(np.int64)
    step = max(1, n_indices // n_images)
    return [int(index) for first in range(step) for index in indices[first::step]]
