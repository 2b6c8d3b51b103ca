"""HEIC and AVIF: pictures in ISO base media files (ISO/IEC 14496-12 and 23008-12)."""

from __future__ import annotations

import io
import re

from PIL import Image, features

from ....cache.errors import ImageError
from .image_container import ImageContainer

HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2")
AVIF_BRANDS = (b"avif", b"avis")
EXIF_ITEM = re.compile(rb"(infe[\2\3]\0\0[\0\1].{4,6})Exif", re.DOTALL)
META_BYTES = 1 << 16
HEIF_MISSING = (
    "a HEIC (HEIF) picture, which needs one more library: pip install 'featx[heif]' and run again"
)
AVIF_MISSING = (
    "an AVIF picture, which this Pillow cannot read: pip install --upgrade Pillow and run again"
)


def brand_of(raw: bytes) -> str:
    """Return ``WEBP``, ``AVIF`` or ``HEIF`` by the file's brands; empty for other files."""
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP":
        return "WEBP"
    if raw[4:8] != b"ftyp":
        return ""
    length = min(int.from_bytes(raw[:4], "big"), 256)
    brands = [raw[8:12], *(raw[i : i + 4] for i in range(16, length, 4))]
    if any(brand in AVIF_BRANDS for brand in brands):
        return "AVIF"
    return "HEIF" if any(brand in HEIF_BRANDS for brand in brands) else ""


def read_avif(raw: bytes) -> ImageContainer:
    """Take an AVIF apart.

    Raises
    ------
    ImageError
        This Pillow was built without AVIF.
    """
    if not features.check("avif"):
        raise ImageError(AVIF_MISSING)
    return ImageContainer(_without_exif(raw), "AVIF", n_pictures=2 if raw[8:12] == b"avis" else 1)


def read_heif(raw: bytes) -> ImageContainer:
    """Take a HEIC apart.

    Raises
    ------
    ImageError
        The library that decodes it is not installed.
    """
    try:
        import pillow_heif  # noqa: F401
    except ImportError as error:
        raise ImageError(HEIF_MISSING) from error
    return ImageContainer(_without_exif(raw), "HEIF")


def open_heif(data: io.BytesIO) -> Image.Image:
    """Open the primary image: upright, in 8 bits, decoded when its pixels are asked for."""
    from pillow_heif import HeifImageFile

    image: Image.Image = HeifImageFile(data)
    return image


def _without_exif(raw: bytes) -> bytes:
    """Rename the EXIF item: these formats turn images by properties of their own."""
    return EXIF_ITEM.sub(rb"\1none", raw[:META_BYTES]) + raw[META_BYTES:]
