"""TIFF's image file directories, read with bounds on everything.

TIFF files, EXIF blocks and the index of multi-picture JPEGs share them (TIFF 6.0, section 2).
BigTIFF differs in the width of its numbers. Nothing here raises on damaged bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
NUMBERS = INTEGERS | {11: "f", 12: "d"}
MAX_VALUES = 1 << 20


@dataclass(frozen=True)
class Entry:
    """One tag's value as it lies in the file: its type, its count, and where it starts."""

    code: str
    count: int
    offset: int
    raw: bytes


@dataclass(frozen=True)
class Ifd:
    """One directory.

    Attributes
    ----------
    offset, next : int
        Where it starts, and where the next one starts (0: there is none).
    entries : dict of int to Entry
        By tag.
    """

    offset: int
    next: int
    entries: dict[int, Entry] = field(default_factory=dict)


class TiffReader:
    """Reads directories out of bytes that begin with a TIFF header.

    Attributes
    ----------
    first : int
        Where the first directory starts; 0 where the header is no TIFF header.
    is_big : bool
        Whether numbers have the widths of BigTIFF.
    order : str
        ``<`` or ``>``.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.order = {b"II": "<", b"MM": ">"}.get(data[:2], "")
        self.first, self.is_big = 0, False
        if not self.order or len(data) < 8:
            return
        version = self.unpack("H", 2)
        self.is_big = version == 43
        if version == 42:
            self.first = self.unpack("I", 4)
        elif self.is_big:
            self.first = self.unpack("Q", 8)

    def unpack(self, code: str, offset: int) -> int:
        """Return one integer; 0 where the bytes end before it."""
        size = struct.calcsize(self.order + code)
        part = self.data[offset : offset + size]
        return int(struct.unpack(self.order + code, part)[0]) if len(part) == size else 0

    def ifd(self, offset: int) -> Ifd:
        """Return the directory at ``offset``, with the entries that are whole."""
        count_code, width = ("Q", 20) if self.is_big else ("H", 12)
        start = offset + struct.calcsize("=" + count_code)
        n_entries = min(self.unpack(count_code, offset), max(0, len(self.data) - start) // width)
        entries: dict[int, Entry] = {}
        for position in range(start, start + n_entries * width, width):
            entry = self._entry(position, self.data[position : position + width])
            entries[self.unpack("H", position)] = entry
        after = start + n_entries * width
        return Ifd(offset, self.unpack("Q" if self.is_big else "I", after), entries)

    def chain(self, limit: int = 4096) -> list[Ifd]:
        """Return the directories that follow from the first one, each once."""
        ifds: dict[int, Ifd] = {}
        offset = self.first
        while offset and offset not in ifds and len(ifds) < limit and offset < len(self.data):
            ifds[offset] = self.ifd(offset)
            offset = ifds[offset].next
        return list(ifds.values())

    def numbers(self, ifd: Ifd, tag: int) -> tuple[float, ...]:
        """Return the numbers of a tag, at most ``MAX_VALUES``; none where it is missing or cut."""
        entry = ifd.entries.get(tag)
        if entry is None or not entry.code:
            return ()
        count = min(entry.count, MAX_VALUES)
        size = struct.calcsize("=" + entry.code) * count
        part = self.data[entry.offset : entry.offset + size]
        return struct.unpack(f"{self.order}{count}{entry.code}", part) if len(part) == size else ()

    def number(self, ifd: Ifd, tag: int, default: int = 0) -> int:
        """Return the first integer of a tag."""
        values = self.numbers(ifd, tag)
        return values[0] if values and isinstance(values[0], int) else default

    def content(self, ifd: Ifd, tag: int) -> bytes:
        """Return the bytes of a tag of single bytes, such as text."""
        entry = ifd.entries.get(tag)
        return b"" if entry is None else self.data[entry.offset : entry.offset + entry.count]

    def _entry(self, position: int, raw: bytes) -> Entry:
        type_ = self.unpack("H", position + 2)
        count = self.unpack("Q" if self.is_big else "I", position + 4)
        value, room = (position + 12, 8) if self.is_big else (position + 8, 4)
        code = NUMBERS.get(type_, "")
        size = count * (struct.calcsize("=" + code) if code else 1)
        offset = value if size <= room else self.unpack("Q" if self.is_big else "I", value)
        return Entry(code, count, offset, raw)
