"""The footer of every HDF5 file of the cache: a checksum that is compared before HDF5 reads a byte.

HDF5 trusts its own structures: one flipped byte in them can send it into an endless loop. The last
thing written to a file is therefore a checksum over all of it except the feature rows, which have
checksums of their own. HDF5 ignores bytes behind its end of file.

The footer is, little-endian: ``n`` pairs of uint64 (first byte and length of a stretch of feature
rows, ascending), then uint64 ``n``, uint64 format version, uint64 XXH3 of all bytes before this
number that are no feature rows, and 8 bytes of magic.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import xxhash

from ..errors import CacheFormatError
from . import version as format_version

MAGIC = b"featx\r\n\x1a"
TAIL = struct.Struct("<QQQ8s")
STRETCH = struct.Struct("<QQ")
READ_BYTES = 1 << 20

Stretches = Sequence[tuple[int, int]]


def make_footer(file: int, row_stretches: Stretches) -> bytes:
    """Return the footer for an open file that has none yet, given where its feature rows lie."""
    ordered = sorted(row_stretches)
    head = b"".join(STRETCH.pack(*stretch) for stretch in ordered)
    head += TAIL.pack(len(ordered), format_version.FORMAT_VERSION, 0, b"")[:16]
    state = _hash_outside(file, os.fstat(file).st_size, ordered)
    state.update(head)
    return head + struct.pack("<Q", state.intdigest()) + MAGIC


def check_footer(path: Path, file: int) -> None:
    """Compare an open file, feature rows aside, with its footer.

    Raises
    ------
    CacheFormatError
        The file is foreign, truncated or damaged.
    NewerFormatError
        A newer featx wrote it.
    """
    start, head, row_stretches = _read_footer(path, file)
    _, version, checksum, _ = TAIL.unpack(os.pread(file, TAIL.size, start + len(head) - 16))
    state = _hash_outside(file, start, row_stretches)
    state.update(head)
    if state.intdigest() != checksum:
        raise damaged(path, "it is not as it was written: its checksum is another")
    format_version.check_version(path, version)


def outside_rows(path: Path, file: int) -> list[tuple[int, int]]:
    """Return where the bytes that are no feature rows begin and end in an open file.

    Only the file's end is read; raises CacheFormatError where it is no footer.
    """
    n_bytes = os.fstat(file).st_size
    _, _, row_stretches = _read_footer(path, file)
    starts = [0, *(start + length for start, length in row_stretches)]
    stops = [*(start for start, _ in row_stretches), n_bytes]
    return list(zip(starts, stops, strict=True))


def _read_footer(path: Path, file: int) -> tuple[int, bytes, list[tuple[int, int]]]:
    """Return a footer's first byte, what of it is hashed, and where feature rows lie."""
    n_bytes = os.fstat(file).st_size
    tail = os.pread(file, TAIL.size, max(0, n_bytes - TAIL.size))
    if len(tail) < TAIL.size or tail[-len(MAGIC) :] != MAGIC:
        raise damaged(path, "no file of featx, or cut short: it has no footer")
    n = TAIL.unpack(tail)[0]
    start = n_bytes - TAIL.size - n * STRETCH.size
    if start < 0:
        raise damaged(path, "its footer is damaged")
    head = os.pread(file, n * STRETCH.size + 16, start)
    return start, head, [STRETCH.unpack_from(head, i * STRETCH.size) for i in range(n)]


def damaged(path: Path, what: str) -> CacheFormatError:
    """Return the error for a file that cannot be trusted."""
    return CacheFormatError(
        f"{path}: {what}. Run `featx cache verify` to list every damaged file and "
        "`featx cache repair` to set them aside; the next extract refills the rows."
    )


def _hash_outside(file: int, end: int, stretches: Stretches) -> xxhash.xxh3_64:
    state = xxhash.xxh3_64()
    position = 0
    for start, length in [*stretches, (end, 0)]:
        for part in _read(file, position, min(start, end)):
            state.update(part)
        position = max(position, start + length)
    return state


def _read(file: int, start: int, stop: int) -> Iterator[bytes]:
    while start < stop:
        part = os.pread(file, min(READ_BYTES, stop - start), start)
        if not part:
            return
        start += len(part)
        yield part
