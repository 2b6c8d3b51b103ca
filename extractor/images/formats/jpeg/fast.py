"""Ordinary JPEGs straight into an array, by the library that Pillow uses too.

Pillow keeps four bytes a pixel and copies them twice on the way to an array. libjpeg-turbo's own
interface gives the same pixels in one step; whatever is out of the ordinary stays with Pillow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

try:
    import simplejpeg
except ImportError:  # no wheel for this machine
    simplejpeg = None

MODES = ("RGB", "L")
COLOURS = ("YCbCr", "Gray")


def jpeg_pixels(raw: bytes, image: Image.Image) -> NDArray[np.uint8] | None:
    """Decode a JPEG in the size of ``image``, or return None where Pillow should do it.

    Parameters
    ----------
    raw : bytes
    image : PIL.Image.Image
        ``raw`` opened but not yet loaded; it may have been told to shrink (``draft``).

    Returns
    -------
    ndarray of uint8, shape (image.height, image.width, 3), or None
        None for what is no JPEG, has other colours than YCbCr and grey, or is damaged in any way:
        Pillow then decides what becomes of it.
    """
    if simplejpeg is None or image.format != "JPEG" or image.mode not in MODES:
        return None
    try:
        if simplejpeg.decode_jpeg_header(raw)[2] not in COLOURS:
            return None
        # The smallest scale that is no smaller than the image: Pillow's own choice.
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
            raw, min_height=image.height, min_width=image.width
        )
    except Exception:  # noqa: BLE001 (Pillow meets it again and says what it is)
        return None
    return pixels if pixels.shape == (image.height, image.width, 3) else None
