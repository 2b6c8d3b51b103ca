"""From an image's bytes to 8-bit RGB pixels, as a person would see them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ...cache.errors import ImageError
from ..sources import Raw
from .geometry import Geometry
from .jpeg import jpeg_pixels

Size = tuple[int, int]
Opened = Image.Image | NDArray[np.uint8]
"""An upright image: Pillow's, or RGB pixels ``(h, w, 3)``."""

DEEP_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0
"""TIFF 6.0's tag for the meaning of a grey value, and the value by which 0 is white."""


def decode(raw: Raw, geometries: Sequence[Geometry]) -> tuple[NDArray[np.uint8], ...]:
    """Decode one image once and bring it into each of ``geometries``.

    Parameters
    ----------
    raw : bytes or ndarray of uint8
        An encoded image, or pixels ``(h, w)``, ``(h, w, 1)``, ``(h, w, 3)`` or ``(h, w, 4)``.
    geometries : sequence of Geometry

    Returns
    -------
    tuple of ndarray of uint8, each (height, width, 3)

    Raises
    ------
    ImageError
        The bytes are no image, are cut short, or stand for more pixels than Pillow's limit.
    """
    try:
        opened: dict[Size, Opened] = {}
        images = [_open(raw, geometry, opened) for geometry in geometries]
        pairs = zip(images, geometries, strict=True)
        return tuple(g.apply(_to_rgb(image, g.background)) for image, g in pairs)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError("cannot decode: no image format that Pillow knows") from error
    # Pillow's decoders raise nearly every builtin error on damaged input (fuzzing shows it); each
    # of them means the same here: this image cannot be read.
    except Exception as error:
        raise ImageError(f"{_kind(raw)}: {error}" if str(error) else _kind(raw)) from error


@contextmanager
def strict_images() -> Iterator[None]:
    """Turn Pillow's warning about huge images into an error, and keep all others from the user.

    Warning filters belong to the process, not to a thread: enter this once around a whole run.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
        yield


def _open(raw: Raw, geometry: Geometry, opened: dict[Size, Opened]) -> Opened:
    """Return the image for one geometry; decode it where ``opened`` has none of that scale.

    A geometry's pixels must not hang on which others are asked for beside it: only those for which
    a JPEG may be pre-shrunk alike share a decoding.
    """
    if not isinstance(raw, bytes):
        return Image.fromarray(raw.squeeze(-1) if raw.shape[2:] == (1,) else raw)
    if not raw:
        raise ImageError("the file is empty")
    image: Image.Image = Image.open(io.BytesIO(raw))
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise ImageError(f"{image.width}×{image.height} pixels are over the limit of {limit}")
    if image.format == "JPEG":
        image.draft(None, geometry.draft_size())
    scale = image.size
    if scale not in opened:
        pixels = jpeg_pixels(raw, image)
        opened[scale] = _upright(image) if pixels is None else pixels
    return opened[scale]


def _upright(image: Image.Image) -> Image.Image:
    if _is_deep_negative(image):
        image = Image.fromarray(~np.asarray(image))
    return ImageOps.exif_transpose(image)


def _is_deep_negative(image: Image.Image) -> bool:
    """Tell whether 0 is white in 16 bits; of TIFFs with 8 bits Pillow takes care itself."""
    tags = getattr(image, "tag_v2", {})
    return image.mode.startswith("I;16") and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO


def _to_rgb(image: Opened, background: str) -> NDArray[np.uint8]:
    if isinstance(image, Image.Image):
        return np.asarray(_without_alpha(image, background), np.uint8)
    return image


def _without_alpha(image: Image.Image, background: str) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in DEEP_MODES:
        image = _to_8_bit(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        canvas = Image.new("RGBA", layer.size, background)
        return Image.alpha_composite(canvas, layer).convert("RGB")
    return image.convert("RGB")


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Scale deeper grey to 8 bits; Pillow's own conversion would cut values at 255.

    Floats that stay within 1 count from 0 to 1, others from 0 to 255; what is no number is black.
    """
    values = np.nan_to_num(np.asarray(image).astype(np.float64))
    if image.mode == "F":
        values = values * 255.0 if values.max(initial=0.0) <= 1.0 else values
    elif image.mode != "I" or values.max(initial=0) > 255:
        values = values / 257.0
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def _kind(raw: Raw) -> str:
    return "cannot decode" if isinstance(raw, bytes) else "cannot use pixels"
