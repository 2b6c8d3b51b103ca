"""From an image's bytes or array to 8-bit RGB pixels, as a person would see them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..sources import Raw, digest_of
from ..sources.crop import Crop
from .deep import to_8_bits
from .encoded import EncodedImage, to_rgb
from .geometry import Geometry

DECODER_VERSION = 2
"""Counts up when more images can be decoded."""

CUT = "the box reaches beyond the image, and is cut at its edge"
OPTIONAL_LIBRARIES = ("pillow_heif",)


def decode(
    raw: Raw, geometries: Sequence[Geometry], digest: bytes = b""
) -> tuple[NDArray[np.uint8], ...]:
    """Decode one image once and bring it into each of ``geometries``.

    Parameters
    ----------
    raw : bytes, ndarray or Crop
        An encoded image, or pixels ``(h, w)``, ``(h, w, 1)``, ``(h, w, 3)`` or ``(h, w, 4)``; or a
        box in one of these, upright.
    geometries : sequence of Geometry
    digest : bytes, optional
        Of the image, by which its views are drawn; computed where a view needs it.

    Returns
    -------
    tuple of ndarray of uint8, each (height, width, 3)

    Raises
    ------
    ImageError
        The bytes are no image, are cut short, or hold more pixels than the limit; the message says
        which. Memory that runs out and faults of featx itself are raised as they are.
    """
    return decode_with_remark(raw, geometries, digest)[0]


def decode_with_remark(
    raw: Raw, geometries: Sequence[Geometry], digest: bytes = b""
) -> tuple[tuple[NDArray[np.uint8], ...], str]:
    """Decode as ``decode``; return also what a person should know, such as further pages.

    The remark is empty for most pictures.
    """
    if not digest and any(geometry.view for geometry in geometries):
        digest = digest_of(raw)
    originals = dict.fromkeys(geometry.original for geometry in geometries)
    image = _image_of(raw)
    upright = {original: _upright(raw, image, original) for original in originals}
    remark = image.container.remark if isinstance(image, EncodedImage) else ""
    if any(is_cut for _, is_cut in upright.values()):
        remark = CUT
    return tuple(g.apply(upright[g.original][0], digest) for g in geometries), remark


def stored_size(raw: Raw) -> tuple[int, int]:
    """Return the height and width that an image has in its file; decodes nothing.

    Raises
    ------
    ImageError
        The bytes are no image.
    """
    if isinstance(raw, Crop):
        height, width = stored_size(raw.image)
        left, top, right, bottom = raw.box.edges(width, height)
        return max(bottom - top, 1), max(right - left, 1)
    if not isinstance(raw, bytes):
        return int(raw.shape[0]), int(raw.shape[1])
    return EncodedImage(raw).stored_size


@contextmanager
def strict_images(max_pixels: int | None = None) -> Iterator[None]:
    """Set the limit on an image's pixels, and keep Pillow's warnings from the user.

    The limit and the filters belong to the process, not to a thread: enter this once for a run.

    Parameters
    ----------
    max_pixels : int, optional
        Pixels that one image may have in memory; by default Pillow's ``Image.MAX_IMAGE_PIXELS``.
    """
    before = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Image.MAX_IMAGE_PIXELS = before if max_pixels is None else max_pixels
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def decoder_id(max_pixels: int | None = None) -> str:
    """Return what decides which images can be decoded, so that another decoder tries again."""
    libraries = [name for name in OPTIONAL_LIBRARIES if find_spec(name)]
    return " ".join([str(DECODER_VERSION), *libraries, f"max_pixels={max_pixels}"])


def _image_of(raw: Raw) -> EncodedImage | NDArray[Any]:
    """Return the file or the array that an image is in, or of which it is a box."""
    image = raw.image if isinstance(raw, Crop) else raw
    return EncodedImage(image) if isinstance(image, bytes) else image


def _upright(
    raw: Raw, image: EncodedImage | NDArray[Any], geometry: Geometry
) -> tuple[NDArray[np.uint8], bool]:
    """Return an image's upright pixels, and whether its box was cut at the image's edge.

    An image with a box is decoded whole.
    """
    if not isinstance(raw, Crop):
        return _rgb(image, geometry), False
    pixels = _rgb(image, geometry.undrafted())
    rows, columns, is_cut = raw.box.within(pixels.shape[1], pixels.shape[0])
    return np.ascontiguousarray(pixels[rows, columns]), is_cut


def _rgb(image: EncodedImage | NDArray[Any], geometry: Geometry) -> NDArray[np.uint8]:
    if isinstance(image, EncodedImage):
        return image.rgb(geometry)
    return to_rgb(to_8_bits(image, geometry.pixel_limits), geometry.background)
