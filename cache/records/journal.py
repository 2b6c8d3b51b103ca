"""Journals: append-only files in which a run names its rows before the rows appear.

A journal is one line of JSON, then blocks. A block is the number of entries and the XXH3 of their
bytes, both uint64 little-endian, and the entries. An entry is the key of a sample (16 bytes, zeros
for none) and the digest of its image (32 bytes). A block that a crash cut short at the end of the
file does no harm: rows appear only after their block is on the disk.

The process that writes a journal holds a shared lock of the system on it (``flock``), which ends
with the process: so others see whether a run is alive. A run that names rows shares a lock on the
folder; ``gc`` and ``rm`` take it alone for the moment in which they look a last time and delete.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import struct
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray

from ..errors import CacheFormatError, CacheWriteError
from ..format.atomic import atomic_path
from ..format.sharing import make_folder
from ..format.strings import StringColumn
from ..format.version import stamped, without_version
from ..layout import JOURNAL_SUFFIX
from ..manifest import DIGEST_BYTES
from ..places.remote_path import RemotePath

SAMPLE_KEY_BYTES = 16
REMOTE_SECONDS = 3600.0
ENTRY_BYTES = SAMPLE_KEY_BYTES + DIGEST_BYTES
BLOCK = struct.Struct("<QQ")


@dataclass(frozen=True)
class JournalHeader:
    """What a run says of itself when it begins.

    Attributes
    ----------
    kind : str
        ``extract``, ``score`` or ``transform``.
    name, location : str
        Of the source.
    fingerprints : list of str
        The sets that the run uses rows of.
    started_ns : int
        When the stamps of the source's files were taken, nanoseconds since the epoch.
    """

    kind: str
    name: str
    location: str
    fingerprints: list[str]
    started_ns: int


@dataclass(frozen=True)
class Journal:
    """A journal as it was read.

    Attributes
    ----------
    path : Path
    header : JournalHeader
    sample_keys : ndarray of uint8, shape (n, 16)
        See ``sample_keys``; zeros where a row has none.
    digests : ndarray of uint8, shape (n, 32)
    """

    path: Path
    header: JournalHeader
    sample_keys: NDArray[np.uint8]
    digests: NDArray[np.uint8]


def new_journal(folder: Path, name: str, header: JournalHeader) -> JournalWriter | RemoteJournal:
    """Return the journal of a run that begins.

    Raises
    ------
    CacheWriteError
        The file system refused.
    """
    if isinstance(folder, RemotePath):
        return RemoteJournal(folder, name, header)
    return JournalWriter(folder / f"{name}{JOURNAL_SUFFIX}", header)


class RemoteJournal:
    """The journal of a run behind a URL, where nothing is appended: each block is a file.

    Attributes
    ----------
    paths : list of Path
        The files, in order.
    """

    def __init__(self, folder: Path, name: str, header: JournalHeader) -> None:
        self._folder, self._name = folder, name
        self._line = _first_line(header)
        self.paths: list[Path] = []

    def append(self, digests: NDArray[np.uint8], keys: NDArray[np.uint8] | None = None) -> None:
        """Name rows ``(n, 32)``; the server has them when this returns.

        Raises
        ------
        CacheWriteError
            The server refused; what was named before still is.
        """
        path = self._folder / f"{self._name}-{len(self.paths):06d}{JOURNAL_SUFFIX}"
        with atomic_path(path) as partial:
            partial.write_bytes(self._line + _block(digests, keys))
        self.paths.append(path)

    def close(self) -> None:
        """Do nothing: no file is open."""


class JournalWriter:
    """A new journal that is open for appending.

    Attributes
    ----------
    paths : list of Path
        The file.
    close : callable
        Lets go of the file: from then on the run counts as ended.

    Raises
    ------
    CacheWriteError
        The file system refused.
    """

    def __init__(self, path: Path, header: JournalHeader) -> None:
        self._path = path
        self.paths = [path]
        with atomic_path(path) as partial:
            self._file = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            self.close = weakref.finalize(self, os.close, self._file)
            with suppress(OSError):  # a file system without locks
                fcntl.flock(self._file, fcntl.LOCK_SH)
            os.write(self._file, _first_line(header))

    def append(self, digests: NDArray[np.uint8], keys: NDArray[np.uint8] | None = None) -> None:
        """Name rows ``(n, 32)``; they are on the disk when this returns.

        Raises
        ------
        CacheWriteError
            The disk refused; what was named before still is.
        """
        block = _block(digests, keys)
        end = os.lseek(self._file, 0, os.SEEK_END)
        try:
            with _locked(self._path.parent, fcntl.LOCK_SH):
                if os.write(self._file, block) != len(block):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(self._file)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, end)
            raise CacheWriteError(
                f"cannot write {self._path}: {error.strerror or error}. All earlier rows are safe; "
                "free some space and run the same command again."
            ) from error


def _first_line(header: JournalHeader) -> bytes:
    return json.dumps(stamped(asdict(header))).encode("ascii") + b"\n"


def _block(digests: NDArray[np.uint8], keys: NDArray[np.uint8] | None) -> bytes:
    entries = np.zeros((len(digests), ENTRY_BYTES), np.uint8)
    entries[:, SAMPLE_KEY_BYTES:] = digests
    if keys is not None:
        entries[:, :SAMPLE_KEY_BYTES] = keys
    data = entries.tobytes()
    return BLOCK.pack(len(entries), xxhash.xxh3_64_intdigest(data)) + data


def is_in_use(path: Path) -> bool:
    """Tell whether the run that writes a journal is alive, as far as the file system can tell.

    Behind a URL nobody can: there, a run counts as alive for an hour after it last named rows.
    """
    if isinstance(path, RemotePath):
        with suppress(FileNotFoundError):
            return path.stat().st_mtime > time.time() - REMOTE_SECONDS
        return False
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # gone, or a file system without locks: then only the age counts
    return False


@contextmanager
def naming_paused(folder: Path) -> Iterator[None]:
    """Let no run name rows in ``folder`` for the moment of a last look and a deletion.

    Behind a URL there is no such lock: see ``refuse_beside_runs``.
    """
    if isinstance(folder, RemotePath):
        yield
        return
    make_folder(folder)
    with _locked(folder, fcntl.LOCK_EX):
        yield


@contextmanager
def _locked(folder: Path, operation: int) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, operation)
        yield
    finally:
        os.close(descriptor)


def read_journal(path: Path) -> Journal:
    """Read the journal at ``path``, up to a block that was cut short.

    Raises
    ------
    CacheFormatError
        The file is no journal, or is damaged before its last block.
    FileNotFoundError
        The run has ended meanwhile.
    """
    line, _, data = path.read_bytes().partition(b"\n")
    try:
        header = JournalHeader(**without_version(path, json.loads(line), JournalHeader))
    except CacheFormatError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CacheFormatError(f"{path}: not the journal of a run ({error})") from error
    entries = np.frombuffer(b"".join(_blocks(path, data)), np.uint8).reshape(-1, ENTRY_BYTES)
    return Journal(path, header, entries[:, :SAMPLE_KEY_BYTES], entries[:, SAMPLE_KEY_BYTES:])


def _blocks(path: Path, data: bytes) -> Iterator[bytes]:
    start = 0
    while start + BLOCK.size <= len(data):
        n_entries, checksum = BLOCK.unpack_from(data, start)
        first = start + BLOCK.size
        start = first + n_entries * ENTRY_BYTES
        entries = data[first:start]
        if start > len(data) or not n_entries:
            return
        if xxhash.xxh3_64_intdigest(entries) != checksum:
            if start == len(data):
                return
            raise CacheFormatError(f"{path}: damaged at byte {first}: `featx cache repair`")
        yield entries


def sample_keys(
    sample_ids: StringColumn, stamps: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Return a key ``(len(rows), 16)`` of each sample's id and stamp, zeros where it has no stamp.

    A later run that meets the same key knows the digest without reading the image.
    """
    chosen, width = np.ascontiguousarray(stamps[rows]), stamps.shape[1] * stamps.itemsize
    stamp_bytes, names = chosen.tobytes(), np.ascontiguousarray(sample_ids.data).data
    starts, stops = (sample_ids.offsets[rows + k].tolist() for k in (0, 1))
    nothing, digest = bytes(SAMPLE_KEY_BYTES), xxhash.xxh3_128_digest
    keys = [
        digest(stamp_bytes[i * width : (i + 1) * width] + names[starts[i] : stops[i]])
        if is_stamped
        else nothing
        for i, is_stamped in enumerate(np.asarray(chosen.any(axis=1)).tolist())
    ]
    return np.frombuffer(b"".join(keys), np.uint8).reshape(-1, SAMPLE_KEY_BYTES)
