"""A JPEG that lacks its end marker: whether all of its pixels are there nevertheless."""

from __future__ import annotations

import io

import numpy as np
from PIL import JpegImagePlugin

from ..image_container import ImageContainer
from .segments import EOI, FRAMES, START_OF_SCAN, segments

RESTARTS = tuple(bytes([marker]) for marker in range(0xD0, 0xD8))
FILLINGS = (b"", b"\x2a" * 64, b"\xd5" * 64, b"\x00" * 64)
"""What is put before an added end marker. Where pixels are missing, each makes others of them."""
N_COEFFICIENTS = 64


def with_end(container: ImageContainer, size: tuple[int, int]) -> bytes | None:
    """Return a JPEG with an end marker added, or None where pixels are missing.

    A decoder cannot tell a missing end marker from missing pixels: it fills in. So the file is
    decoded with several endings. Whole pixels do not change with what follows them.

    Parameters
    ----------
    container : ImageContainer
        A file that its decoder took for truncated.
    size : tuple of int
        Width and height of the scale in which it is wanted.
    """
    scans = container.data.rstrip(b"\xff")
    if container.kind != "JPEG" or not _is_complete(scans):
        return None
    decoded = None
    for filling in FILLINGS:
        try:
            with JpegImagePlugin.JpegImageFile(io.BytesIO(scans + filling + EOI)) as image:
                if not container.needs_whole:
                    image.draft(None, size)
                pixels = np.asarray(image)
        except (OSError, SyntaxError, ValueError):
            return None
        if decoded is not None and not np.array_equal(decoded, pixels):
            return None
        decoded = pixels
    return scans + EOI


def _is_complete(data: bytes) -> bool:
    """Tell whether the scans bring every coefficient of every component to its last bit.

    A progressive JPEG cut between two scans is no whole picture, although each scan is.
    """
    bits: dict[int, list[int | None]] = {}
    for marker, segment in _all_segments(data):
        body = segment[4:]
        if marker in FRAMES and len(body) >= 6 + 3 * body[5]:
            bits = {body[6 + 3 * i]: [None] * N_COEFFICIENTS for i in range(body[5])}
        elif marker == START_OF_SCAN and body and len(body) >= 4 + 2 * body[0]:
            first, last, approximation = body[1 + 2 * body[0] :][:3]
            for i in range(body[0]):
                left = bits.get(body[1 + 2 * i], [])
                for coefficient in range(first, min(last + 1, len(left))):
                    left[coefficient] = approximation & 15
    return bool(bits) and all(bit == 0 for left in bits.values() for bit in left)


def _all_segments(data: bytes) -> list[tuple[int, bytes]]:
    """Return the segments of all scans, without their entropy-coded data."""
    gathered: list[tuple[int, bytes]] = []
    rest = data
    while True:
        parts = list(segments(rest))
        gathered.extend(parts)
        if not parts or parts[-1][0] != START_OF_SCAN:
            return gathered
        scan = parts[-1][1]
        position = 2 + int.from_bytes(scan[2:4], "big")
        while (position := scan.find(b"\xff", position)) >= 0:
            if scan[position + 1 : position + 2] not in (b"\0", *RESTARTS, b"\xff"):
                break
            position += 1
        if position < 0:
            return gathered
        rest = scan[:2] + scan[position:]
