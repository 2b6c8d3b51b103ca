"""Sprites: many thumbnails in one picture, row by row in a square grid."""

from __future__ import annotations

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...cache.errors import ConfigError

MAX_SIDE = 8192
"""Pixels along a side that a browser surely takes as a texture."""
QUALITY = {"JPEG": 90, "WEBP": 75}


def n_columns(n_thumbnails: int) -> int:
    """Return how many thumbnails stand side by side in a square sprite."""
    return max(1, math.ceil(math.sqrt(n_thumbnails)))


def fitting_side(n_thumbnails: int, side: int, max_side: int = MAX_SIDE) -> int:
    """Return the largest side of a thumbnail up to ``side`` with which a sprite is not too large.

    Raises
    ------
    ConfigError
        Not even thumbnails of one pixel fit.
    """
    fitting = min(side, max_side // n_columns(n_thumbnails))
    if fitting < 1:
        raise ConfigError(
            f"{n_thumbnails:,} thumbnails do not fit into a sprite of {max_side} pixels a side. "
            f"Expected at most {max_side**2:,}"
        )
    return fitting


def make_sprite(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a square sprite of ``thumbnails`` ``(n, side, side, 3)``; unused cells are black."""
    n, side = thumbnails.shape[:2]
    columns = n_columns(n)
    sprite = np.zeros((columns * side, columns * side, 3), np.uint8)
    cells = sprite.reshape(columns, side, columns, side, 3).swapaxes(1, 2)
    for position in range(n):
        cells[divmod(position, columns)] = thumbnails[position]
    return sprite


def encode_sprite(sprite: NDArray[np.uint8], kind: str = "JPEG") -> bytes:
    """Return the bytes of a ``JPEG`` or ``WEBP`` file; colours are not averaged across cells."""
    file = io.BytesIO()
    options = {"subsampling": 0} if kind == "JPEG" else {"method": 2}
    Image.fromarray(sprite).save(file, kind, quality=QUALITY[kind], **options)
    return file.getvalue()
