"""Formats of pictures: an allow-list, by content, of those that are decoded in this process.

No format that needs another program (PostScript, PDF, metafiles) is ever handed to Pillow.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

from PIL import Image

from ....cache.errors import ImageError
from .gif import read_gif
from .heif import brand_of, open_heif, read_avif, read_heif
from .image_container import ImageContainer
from .jpeg.segments import read_jpeg
from .not_pictures import describe_other, describe_shifted, describe_text
from .png import SIGNATURE as PNG
from .png import explain_png, read_png
from .tiff.pages import explain_tiff, read_tiff
from .webp import read_webp

__all__ = ["ImageContainer", "describe_damage", "explain", "open_picture", "read_container"]


READERS: tuple[tuple[tuple[bytes, ...], Callable[[bytes], ImageContainer]], ...] = (
    ((b"\xff\xd8\xff",), read_jpeg),
    ((PNG,), read_png),
    ((b"GIF87a", b"GIF89a"), read_gif),
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), read_tiff),
)
"""What takes a format's files apart, and how they begin."""
BRANDS = {"WEBP": read_webp, "AVIF": read_avif, "HEIF": read_heif}
JPEG_LS = b"\xff\xd8\xff\xf7"
OTHER_PICTURES = (b"BM", b"8BPS\0\x01", b"DDS ", b"qoif", b"\0\0\x01\0", b"P5", b"P6")

ALLOWED = (
    *("BMP", "DIB", "GIF", "JPEG", "PPM", "PNG", "AVIF", "BLP", "CUR", "DCX", "DDS", "FITS", "FLI"),
    *("FTEX", "GBR", "JPEG2000", "ICNS", "ICO", "IM", "IMT", "MCIDAS", "MSP", "PCD", "TIFF", "PCX"),
    *("PIXAR", "PSD", "QOI", "SGI", "SPIDER", "SUN", "TGA", "WEBP", "XBM", "XPM", "XVTHUMB"),
)
"""Pillow's names of the formats that it decodes itself, in the order in which it tries them."""

TOO_FEW_BYTES = (
    *("requires a buffer", "index out of range", "Expected to read", "Incomplete header"),
    *("not enough image data", "broken data stream", "no more images", "Missing dimensions"),
    *("could not create decoder object", "not identified by this driver"),
)
"""What decoders say where a file ends before the bytes that its header announces."""


def read_container(raw: bytes) -> ImageContainer:
    """Take a file apart by its format.

    Raises
    ------
    ImageError
        It is no picture, or none that featx can read; the message says what it is.
    """
    if not raw.startswith(JPEG_LS):
        for signatures, read in READERS:
            if raw.startswith(signatures):
                return read(raw)
    if brand := brand_of(raw):
        return BRANDS[brand](raw)
    reason = "" if raw.startswith(OTHER_PICTURES) else describe_other(raw)
    if reason:
        raise ImageError(reason)
    return ImageContainer(raw)


def open_picture(data: bytes, kind: str = "") -> Image.Image:
    """Open a file with the format's class of Pillow; decodes nothing yet.

    Parameters
    ----------
    data : bytes
    kind : str
        The format; by default, the first of ``ALLOWED`` that takes it.

    Raises
    ------
    ImageError
        No format takes it.
    """
    if kind == "HEIF":
        return open_heif(io.BytesIO(data))
    reason = ""
    for name in (kind,) if kind else ALLOWED:
        if name not in Image.OPEN:
            Image.init()
        if name not in Image.OPEN:
            continue
        factory, accept = Image.OPEN[name]
        if accept is not None and accept(data[:16]) is not True:
            continue
        try:
            return factory(io.BytesIO(data), "")
        except (SyntaxError, IndexError, TypeError, struct.error) as error:
            if name == "TIFF" and "unknown" in str(error):
                raise ImageError(explain_tiff(data)) from error
            if kind or data.startswith(OTHER_PICTURES):
                reason = reason or describe_damage(name, error)
    raise ImageError(
        explain(data) or reason or "no image format that featx knows: save it as JPEG or PNG"
    )


def explain(raw: bytes) -> str:
    """Return why a picture could not be decoded, where its bytes show it; else an empty text."""
    if raw.startswith(PNG):
        return explain_png(raw)
    is_known = any(raw.startswith(signatures) for signatures, _ in READERS)
    return describe_other(raw) or ("" if is_known else describe_shifted(raw) or describe_text(raw))


def describe_damage(kind: str, error: Exception) -> str:
    """Return what a decoder's error says of a file of this kind."""
    if any(phrase in str(error) for phrase in TOO_FEW_BYTES):
        return f"the {kind} is cut short or damaged: get the file again"
    return f"damaged {kind}: {error}"
