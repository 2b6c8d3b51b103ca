"""The resize of 8-bit RGB: bicubic with antialiasing as in Pillow, across first and then down.

``_resample.c`` computes it where it was compiled; ``resize_in_pillow`` is its reference, with equal
pixels. From version 13 on Pillow itself chooses the order of the two passes, which shows in the
numbers, so each pass is a call of its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

try:
    from . import _resample
except ImportError:  # no compiler was there when the package was installed
    IS_COMPILED = False
else:
    IS_COMPILED = True

FILTER = Image.Resampling.BICUBIC
Box = tuple[float, float, float, float]


def resize(
    pixels: NDArray[np.uint8], size: tuple[int, int], box: Box | None = None
) -> NDArray[np.uint8]:
    """Return ``pixels`` in another size.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
    size : (width, height)
    box : (left, top, right, bottom), optional
        The part to take, in pixels and their fractions; by default all.

    Returns
    -------
    ndarray of uint8, shape (size[1], size[0], 3)

    Raises
    ------
    ValueError
        The box reaches outside the image, or a size is 0.
    """
    height, width = pixels.shape[:2]
    if size == (width, height) and box is None:
        return pixels
    box = box or (0, 0, width, height)
    if not IS_COMPILED:
        return resize_in_pillow(pixels, size, box)
    out = np.empty((size[1], size[0], 3), np.uint8)
    _resample.resize_rgb(np.ascontiguousarray(pixels), (width, height), out, size, box)
    return out


def resize_in_pillow(
    pixels: NDArray[np.uint8], size: tuple[int, int], box: Box
) -> NDArray[np.uint8]:
    """Return what ``resize`` returns, computed by Pillow in one call for each direction."""
    left, top, right, bottom = box
    image = Image.fromarray(pixels)
    across = image.resize((size[0], image.height), FILTER, box=(left, 0, right, image.height))
    return np.asarray(across.resize(size, FILTER, box=(0, top, size[0], bottom)))
