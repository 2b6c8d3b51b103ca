"""The calibration set: pictures that travel with featx, on which number formats are measured.

Photographs, greys, textures, drawings and garments. They decide the precision of a network, so they
change only together with the digest that stands in every note about a precision.
"""

from __future__ import annotations

import zipfile
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..backbones.weights import file_digest
from ..images.decode import decode
from ..images.geometry import Geometry

PICTURES = Path(__file__).resolve().parents[1] / "data" / "calibration" / "pictures.zip"


@cache
def calibration_digest() -> str:
    """Return the SHA-256, hexadecimal, of all pictures."""
    return file_digest(PICTURES)


def calibration_names() -> list[str]:
    """Return the pictures' file names, each of which begins with its kind, such as ``garment``."""
    with zipfile.ZipFile(PICTURES) as archive:
        return archive.namelist()


def calibration_images(image_size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the pictures as a network of ``image_size`` (height, width) sees them.

    Returns
    -------
    ndarray of uint8, shape (n, height, width, 3)
    """
    geometry = Geometry(*image_size)
    with zipfile.ZipFile(PICTURES) as archive:
        return np.stack([decode(archive.read(n), [geometry])[0] for n in archive.namelist()])
