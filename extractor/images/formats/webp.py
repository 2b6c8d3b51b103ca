"""WebP: the chunks that decide pixels, without profile, EXIF and XMP (RFC 9649, section 2)."""

from __future__ import annotations

from .container import Container

KEPT = (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF")
HAS_METADATA, IS_ANIMATED = 0x20 | 0x08 | 0x04, 0x02


def read_webp(raw: bytes) -> Container:
    """Take a WebP apart; one without the extended header has nothing to take off."""
    if raw[12:16] != b"VP8X":
        return Container(raw, "WEBP")
    pieces: list[bytes] = []
    metadata: dict[bytes, bytes] = {}
    n_frames, position = 0, 12
    while position + 8 <= len(raw):
        name, length = raw[position : position + 4], raw[position + 4 : position + 8]
        end = position + 8 + int.from_bytes(length, "little")
        content = raw[position + 8 : end]
        if name in KEPT:
            pieces.append(name + length + content + raw[end : end + (end - position) % 2])
            n_frames += name == b"ANMF"
        else:
            metadata.setdefault(name, content)
        position = end + (end - position) % 2
    header = bytearray(pieces[0])
    header[8:9] = bytes([header[8] & ~HAS_METADATA & 0xFF]) if len(header) > 8 else b""
    body = b"WEBP" + bytes(header) + b"".join(pieces[1:])
    return Container(
        b"RIFF" + len(body).to_bytes(4, "little") + body,
        "WEBP",
        exif=metadata.get(b"EXIF", b""),
        xmp=metadata.get(b"XMP ", b""),
        n_pictures=max(1, n_frames),
    )
