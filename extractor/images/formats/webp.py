"""WebP: the chunks that decide pixels, without profile, EXIF and XMP (RFC 9649, section 2)."""

from __future__ import annotations

from collections.abc import Iterator

from .image_container import ImageContainer

PIXELS = (b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF")
KEPT = (b"VP8X", *PIXELS)
METADATA = (b"ICCP", b"EXIF", b"XMP ")
MAX_REPAIRS = 64
"""Searches for the next chunk, each of which may read the whole file."""
HAS_METADATA = 0x20 | 0x08 | 0x04


def read_webp(raw: bytes) -> ImageContainer:
    """Take a WebP apart; one without the extended header has nothing to take off."""
    if raw[12:16] != b"VP8X":
        return ImageContainer(raw, "WEBP")
    pieces: list[bytes] = []
    metadata: dict[bytes, bytes] = {}
    n_frames = 0
    for name, content in _chunks(raw):
        if name in KEPT:
            length = len(content).to_bytes(4, "little")
            pieces.append(name + length + content + bytes(len(content) % 2))
            n_frames += name == b"ANMF"
        else:
            metadata.setdefault(name, content)
    header = bytearray(pieces[0])
    header[8:9] = bytes([header[8] & ~HAS_METADATA & 0xFF]) if len(header) > 8 else b""
    body = b"WEBP" + bytes(header) + b"".join(pieces[1:])
    return ImageContainer(
        b"RIFF" + len(body).to_bytes(4, "little") + body,
        "WEBP",
        exif=metadata.get(b"EXIF", b""),
        xmp=metadata.get(b"XMP ", b""),
        n_pictures=max(1, n_frames),
    )


def _chunks(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield names and contents; behind a wrong length, go on at the next chunk of pixels."""
    position, n_repairs = 12, 0
    while position + 8 <= len(raw) and n_repairs < MAX_REPAIRS:
        name = raw[position : position + 4]
        length = int.from_bytes(raw[position + 4 : position + 8], "little")
        end = position + 8 + length
        follower = raw[end + length % 2 : end + length % 2 + 4]
        if name not in KEPT and end < len(raw) - 1 and follower not in (*KEPT, *METADATA):
            starts = (raw.find(pixels, position + 4) for pixels in PIXELS)
            position = min((start for start in starts if start > 0), default=len(raw))
            n_repairs += 1
            continue
        yield name, raw[position + 8 : end]
        position = end + length % 2
