"""Image files made byte by byte, for tests of what their formats allow."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import tifffile
from PIL import Image

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
SAMPLES = {0: 1, 2: 3, 4: 2, 6: 4}


def pattern(height: int = 24, width: int = 36) -> np.ndarray:
    """Smooth pixels ``(h, w, 3)`` whose four corners differ."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([255 * x / width, 255 * y / height, 255 - 128 * x / width], -1).astype(np.uint8)


def encoded(image: Image.Image | np.ndarray, format_: str = "PNG", **options: Any) -> bytes:
    """Return an image as Pillow saves it."""
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def tiff(values: np.ndarray, **options: Any) -> bytes:
    """Return pixels as tifffile saves them."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def chunk(name: bytes, content: bytes, crc: int | None = None) -> bytes:
    """Return one PNG chunk, with its own checksum or a given one."""
    crc = zlib.crc32(name + content) if crc is None else crc
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def deep_png(values: np.ndarray, colour_type: int, *more: bytes) -> bytes:
    """Return a PNG of 16 bits a channel (PNG 1.2, chapters 4 and 6), ``more`` before its pixels."""
    height, width = values.shape[:2]
    rows = values.reshape(height, width * SAMPLES[colour_type]).astype(">u2")
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    chunks = (chunk(b"IHDR", header), *more, chunk(b"IDAT", packed), chunk(b"IEND", b""))
    return PNG_SIGNATURE + b"".join(chunks)


def png_with(raw: bytes, *chunks: bytes, after: bytes = b"") -> bytes:
    """Return a PNG with chunks put in front of its pixels, and some behind them."""
    start = raw.index(b"IDAT") - 4
    end = raw.index(b"IEND") - 4
    return raw[:start] + b"".join(chunks) + raw[start:end] + after + raw[end:]


def exif(orientation: int, order: str = "<", *entries: tuple[int, int, int, int]) -> bytes:
    """Return an EXIF block with tag 274 and further entries ``(tag, type, count, value)``."""
    value = orientation if order == "<" else orientation << 16
    all_entries = sorted([*entries, (274, 3, 1, value)])
    block = struct.pack(order + "HIH", 42, 8, len(all_entries))
    block += b"".join(struct.pack(order + "HHII", *entry) for entry in all_entries) + bytes(4)
    return {"<": b"II", ">": b"MM"}[order] + block


def jpeg_with(raw: bytes, *segments: tuple[int, bytes]) -> bytes:
    """Return a JPEG with segments ``(marker, content)`` put in front of all others."""
    pieces = [bytes([0xFF, m]) + struct.pack(">H", len(body) + 2) + body for m, body in segments]
    return raw[:2] + b"".join(pieces) + raw[2:]
