"""The orientation of an image, and nothing else of its EXIF and XMP blocks.

A block with a wrong tag still states the orientation, so the block is never parsed as a whole.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .tiff.ifd import TiffReader

ORIENTATION = 274
UPRIGHT = 1
PREFIX = b"Exif\0\0"
XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
FLIPPED_AXES = {2: (1,), 3: (0, 1), 4: (0,), 6: (1,), 7: (0, 1), 8: (0,)}
"""Axes to flip for each orientation; from 5 on, after rows and columns have changed places."""


def orientation_of(exif: bytes, xmp: bytes) -> int:
    """Return the orientation, 1 to 8, of an EXIF block, else of an XMP block, else 1."""
    while exif.startswith(PREFIX):
        exif = exif[len(PREFIX) :]
    reader = TiffReader(exif)
    ifd = reader.ifd(reader.first) if reader.first else None
    if ifd is not None and ORIENTATION in ifd.entries:
        stated = reader.number(ifd, ORIENTATION, UPRIGHT)
    else:
        match = XMP_ORIENTATION.search(xmp)
        stated = int(match[1]) if match else UPRIGHT
    return stated if stated in range(1, 9) else UPRIGHT


def turn(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return ``pixels`` ``(h, w[, channels])`` upright (EXIF 2.32, chapter 4.6.4, tag 274)."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    return np.flip(pixels, FLIPPED_AXES.get(orientation, ()))
