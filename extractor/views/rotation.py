"""Rotation of 8-bit RGB about its centre, in integers: the same on every machine.

``_rotate.c`` computes it where it was compiled; ``rotate_in_numpy`` is its reference, with equal
pixels.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

try:
    from . import _rotate
except ImportError:  # no compiler was there when the package was installed
    IS_COMPILED = False
else:
    IS_COMPILED = True

ONE = 1 << 16
"""The sine of a right angle."""


def rotate(pixels: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    """Rotate an image counter-clockwise; it keeps its size.

    Pixels are interpolated bilinearly. The corners are filled by the mirrored image, so that they
    have the colours of its edge: black ones of a picture on black.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
    degrees : float
    """
    cosine, sine = (
        round(ONE * function(math.radians(degrees))) for function in (math.cos, math.sin)
    )
    if not IS_COMPILED:
        return rotate_in_numpy(pixels, cosine, sine)
    out = np.empty(pixels.shape, np.uint8)
    _rotate.rotate_rgb(np.ascontiguousarray(pixels), pixels.shape[1::-1], out, cosine, sine)
    return out


def rotate_in_numpy(pixels: NDArray[np.uint8], cosine: int, sine: int) -> NDArray[np.uint8]:
    """Return an image rotated by an angle, of which cosine and sine are given times ``ONE``."""
    height, width = pixels.shape[:2]
    across, down = (2 * np.arange(n, dtype=np.int64) + 1 - n for n in (width, height))
    # Positions in 1/2^17 of a pixel; the weights of neighbours are 1/256.
    across_at = cosine * across - sine * down[:, None] + (width - 1) * ONE
    down_at = sine * across + cosine * down[:, None] + (height - 1) * ONE
    right_part, lower_part = (((at >> 9) & 255)[..., None] for at in (across_at, down_at))
    columns, rows = (
        [_mirrored((at >> 17) + step, n) for step in (0, 1)]
        for at, n in ((across_at, width), (down_at, height))
    )
    upper, lower = (
        pixels[row, columns[0]] * (256 - right_part) + pixels[row, columns[1]] * right_part
        for row in rows
    )
    total = upper * (256 - lower_part) + lower * lower_part
    rotated: NDArray[np.uint8] = ((total + ONE // 2) >> 16).astype(np.uint8)
    return rotated


def _mirrored(position: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Return the pixels at positions beyond the edge, where the image goes on as in a mirror."""
    position = position % (2 * n)
    return np.where(position < n, position, 2 * n - 1 - position)
