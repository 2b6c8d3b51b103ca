"""The resize of 8-bit RGB: with antialiasing as in Pillow.

featx' own geometries resize bicubically, across first and then down. ``_resample.c`` computes that
where it was compiled; ``resize_in_pillow`` is its reference, with equal pixels. From version 13 on
Pillow itself chooses the order of the two passes, which shows in the numbers, so each pass is a
call of its own. ``resize_as_published`` chooses the order as Pillow 13 does, under any Pillow.
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
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": FILTER,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
    "lanczos": Image.Resampling.LANCZOS,
}
"""Pillow's filters by the names that a FeatureSpec gives them."""

SAMPLED = "bilinear-sampled"
"""Bilinear without antialiasing, as TensorFlow resizes by default."""

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


def resize_as_published(
    pixels: NDArray[np.uint8], size: tuple[int, int], interpolation: str
) -> NDArray[np.uint8]:
    """Return what ``PIL.Image.resize`` of Pillow 13 gives, with any Pillow.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
    size : (width, height)
    interpolation : str
        One of ``FILTERS``, or ``bilinear-sampled``.
    """
    height, width = pixels.shape[:2]
    if size == (width, height):
        return pixels
    if interpolation == SAMPLED:
        return resize_sampled(pixels, size)
    if interpolation == "nearest":
        return np.asarray(Image.fromarray(pixels).resize(size, FILTERS[interpolation]))
    n_rows_less, n_columns_less = height - size[1], width - size[0]
    is_down_first = n_rows_less > max(0, 2 * n_columns_less)
    first = (width, size[1]) if is_down_first else (size[0], height)
    for step in (first, size):
        if interpolation == "bicubic":
            pixels = resize(pixels, step)
        else:
            pixels = np.asarray(Image.fromarray(pixels).resize(step, FILTERS[interpolation]))
    return pixels


def resize_sampled(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return ``pixels`` in another size, each between its four nearest ones, rounded.

    Centres of pixels lie at halves, as in ``tf.image.resize``.
    """
    rows, columns = (_nearest_two(*n) for n in zip(pixels.shape[:2], size[::-1], strict=True))
    values = pixels.astype(np.float32)
    across = _between(values[:, columns[0]], values[:, columns[1]], columns[2][:, None])
    down = _between(across[rows[0]], across[rows[1]], rows[2][:, None, None])
    return np.rint(down).astype(np.uint8)


def _nearest_two(
    n_in: int, n_out: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return the two pixels nearest to each new one on an axis, and the weight of the second."""
    position = (np.arange(n_out) + 0.5) * (n_in / n_out) - 0.5
    low = np.floor(position).astype(np.int64)
    weight = (position - low).astype(np.float32)
    return np.clip(low, 0, n_in - 1), np.clip(low + 1, 0, n_in - 1), weight


def _between(
    first: NDArray[np.float32], second: NDArray[np.float32], weight: NDArray[np.float32]
) -> NDArray[np.float32]:
    return first + (second - first) * weight
