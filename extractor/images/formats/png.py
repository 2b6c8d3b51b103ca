"""PNG: the chunks that decide pixels, and those that state depth and orientation.

PNG 1.2, chapters 3 and 4. Ancillary chunks that are broken or unpack to megabytes are dropped.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from .image_container import ImageContainer

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
XMP_KEYWORD = b"XML:com.adobe.xmp"
RAW_EXIF_KEYWORD = b"Raw profile type exif"
MAX_TEXT = 1 << 22
MAX_REPAIRS = 64
"""Searches for the next chunk, each of which may read the whole file."""
KEY_BYTES = {0: (2,), 2: (6,), 3: range(1, 257)}
"""Length of a tRNS chunk by the colour type; other types have none."""


@dataclass(frozen=True)
class Chunk:
    """One chunk: its name, its content, and all its bytes."""

    name: bytes
    content: memoryview
    raw: memoryview

    @property
    def is_whole(self) -> bool:
        """Whether its checksum is right."""
        crc = zlib.crc32(self.content, zlib.crc32(self.name))
        return crc == int.from_bytes(self.raw[-4:], "big")


def read_png(raw: bytes) -> ImageContainer:
    """Take a PNG apart; what is damaged among the critical chunks stays for Pillow to name."""
    header = raw[16:29]
    bit_depth, colour_type = (header[8], header[9]) if len(header) == 13 else (8, 2)
    exif = raw_exif = xmp = b""
    damage = ""
    n_frames, used_bits = 1, 0
    pieces = [memoryview(SIGNATURE)]
    for chunk in _chunks(raw):
        if chunk.name in KEPT:
            if chunk.name != b"tRNS" or _is_key(chunk, colour_type):
                pieces.append(chunk.raw)
        elif not chunk.is_whole:
            damage = "a PNG with a wrong checksum (CRC) in its metadata, which were left out"
        elif chunk.name == b"eXIf":
            exif = bytes(chunk.content)
        elif chunk.name == b"acTL":
            n_frames = int.from_bytes(chunk.content[:4], "big")
        elif chunk.name == b"sBIT" and bit_depth == 16:
            used_bits = max(chunk.content, default=0)
        elif chunk.name in TEXTS:
            raw_exif = _text(chunk, RAW_EXIF_KEYWORD) or raw_exif
            xmp = _text(chunk, XMP_KEYWORD) or xmp
    is_bare = sum(map(len, pieces)) == len(raw)
    return ImageContainer(
        raw if is_bare else b"".join(pieces),
        "PNG",
        exif=exif or _unhexed(raw_exif),
        xmp=xmp,
        damage=damage,
        n_pictures=n_frames,
        sample_format="uint",
        bits=bit_depth,
        stated_range=(0.0, float(2**used_bits - 1)) if 0 < used_bits <= 16 else None,
    )


def explain_png(raw: bytes) -> str:
    """Return why a PNG cannot be decoded, where its chunks show it; else an empty text."""
    if raw[25:26] and raw[12:16] == b"CgBI":
        return "a PNG in Apple's own form (CgBI): export it again as a common PNG"
    names = set()
    for chunk in _chunks(raw):
        names.add(chunk.name)
        if len(chunk.raw) < len(chunk.content) + 12:
            return "the PNG is cut short: get the file again"
        if chunk.name in KEPT and chunk.name != b"tRNS" and not chunk.is_whole:
            name = chunk.name.decode("ascii")
            return f"wrong checksum (CRC) in the PNG's {name} chunk: the file is damaged"
    return "" if b"IDAT" in names else "the PNG is cut short: it holds no pixels"


def _chunks(raw: bytes) -> Iterator[Chunk]:
    """Yield chunks up to IEND; behind a chunk with a wrong length, go on at the next good one."""
    view = memoryview(raw)
    position, n_repairs = len(SIGNATURE), 0
    while position + 8 <= len(raw) and n_repairs < MAX_REPAIRS:
        length, name = struct.unpack_from(">I4s", raw, position)
        end = position + 12 + length
        if name not in KEPT and not _is_plausible(raw, end):
            position, n_repairs = _next_critical(raw, position + 4), n_repairs + 1
            continue
        content = view[position + 8 : min(end - 4, len(raw))]
        yield Chunk(name, content, view[position:end])
        if name == b"IEND":
            return
        position = end


def _is_plausible(raw: bytes, position: int) -> bool:
    """Tell whether a chunk, or the file's end, is at ``position``."""
    name = raw[position + 4 : position + 8]
    return position == len(raw) or (len(name) == 4 and name.isalpha())


def _next_critical(raw: bytes, position: int) -> int:
    """Return where the next chunk starts whose name is critical and whose checksum is right."""
    names = (raw.find(name, position) for name in KEPT)
    for start in sorted(index - 4 for index in names if index >= position + 4):
        length = int.from_bytes(raw[start : start + 4], "big")
        end = start + 12 + length
        if end <= len(raw) and zlib.crc32(raw[start + 4 : end - 4]) == int.from_bytes(
            raw[end - 4 : end], "big"
        ):
            return start
    return len(raw)


def _is_key(chunk: Chunk, colour_type: int) -> bool:
    return len(chunk.content) in KEY_BYTES.get(colour_type, ()) and chunk.is_whole


def _text(chunk: Chunk, keyword: bytes) -> bytes:
    """Return the text under ``keyword``, unpacked up to ``MAX_TEXT``; empty for other keywords."""
    if chunk.content[: len(keyword) + 1] != keyword + b"\0":
        return b""
    body = bytes(chunk.content[len(keyword) + 1 :])
    if chunk.name == b"tEXt":
        return body
    is_packed = chunk.name == b"zTXt"
    if chunk.name == b"iTXt":
        is_packed = body[:1] == b"\1"
        fields = body[2:].split(b"\0", 2)
        body = fields[2] if len(fields) == 3 else b""
    else:
        body = body[1:]
    if not is_packed:
        return body
    try:
        return zlib.decompressobj().decompress(body, MAX_TEXT)
    except zlib.error:
        return b""


def _unhexed(profile: bytes) -> bytes:
    """Return the bytes of a profile as ImageMagick writes it: three lines, then hexadecimal."""
    try:
        return bytes.fromhex(b"".join(profile.split(b"\n")[3:]).decode("ascii"))
    except ValueError:
        return b""
