"""Compressed tar shards, unpacked once into a temporary folder: gzip cannot be read at random."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import tempfile
import weakref
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from ....cache.errors import SourceFormatError
from ...machine.hardware import n_usable_cores
from ..files.files import Files, Stamp, Tree, plural
from ..files.local import LocalFiles
from ..files.names import is_image_name

ENDINGS = (".tar.gz", ".tgz")
SAMPLE_ENDINGS = (".json", ".cls", ".txt")
BLOCK_BYTES = 1 << 22
SPARE_BYTES = 1 << 30
"""What a disk keeps free for others."""


def is_compressed(name: str) -> bool:
    """Tell by its name whether a tar is compressed."""
    return name.lower().endswith(ENDINGS)


def holds_samples(files: Files, name: str) -> bool:
    """Tell by its first file whether a compressed tar holds images or what belongs to them."""
    try:
        with files.open(name) as file, tarfile.open(fileobj=file, mode="r|gz") as tar:
            first = next((member.name for member in tar if member.isreg()), "")
    except (OSError, EOFError, zlib.error, tarfile.TarError):
        return False
    return is_image_name(first) or first.lower().endswith(SAMPLE_ENDINGS)


class UnpackedShards:
    """Files of a place, of which compressed shards are read from copies that are unpacked.

    The copies lie in a temporary folder, which goes when the source or the process ends.

    Parameters
    ----------
    files : Files
    names : sequence of str
        The compressed ones.

    Raises
    ------
    SourceFormatError
        A shard is damaged, or the temporary folder has no room for the copies.
    """

    def __init__(self, files: Files, names: Sequence[str]) -> None:
        self._files, self.location = files, files.location
        self._folder = tempfile.mkdtemp(prefix="featx-shards-")
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._copies = LocalFiles(Path(self._folder))
        self._names = {name: f"{number}.tar" for number, name in enumerate(names)}
        with ThreadPoolExecutor(n_usable_cores()) as workers:
            self.n_bytes = sum(workers.map(self._unpack, names))

    def describe(self) -> str:
        """Say how much was unpacked, for a note."""
        size = f"{self.n_bytes / 1e6:,.0f} MB"
        return (
            f"{plural(len(self._names), 'shard')} unpacked to read them, {size} (gunzip saves it)"
        )

    def list_folder(self, folder: str = "") -> list[str]:
        """Return the names of the visible files right in a folder."""
        return self._files.list_folder(folder)

    def walk(self) -> Tree:
        """Return all that lies below the place."""
        return self._files.walk()

    def stamp(self, name: str) -> Stamp | None:
        """Return the stamp of the file itself, not of a copy."""
        return self._files.stamp(name)

    def read(self, name: str) -> bytes:
        """Return a file's bytes, unpacked."""
        files, name = self._of(name)
        return files.read(name)

    def read_range(self, name: str, start: int, n_bytes: int) -> bytes:
        """Return ``n_bytes`` from ``start`` of a file, unpacked."""
        files, name = self._of(name)
        return files.read_range(name, start, n_bytes)

    def open(self, name: str) -> IO[bytes]:
        """Open a file, unpacked."""
        files, name = self._of(name)
        return files.open(name)

    def _of(self, name: str) -> tuple[Files, str]:
        return (self._copies, self._names[name]) if name in self._names else (self._files, name)

    def _unpack(self, name: str) -> int:
        where = f"{self.location}/{name}"
        target = Path(self._folder, self._names[name])
        try:
            with (
                self._files.open(name) as packed,
                gzip.open(packed) as file,
                target.open("wb") as to,
            ):
                while block := file.read(BLOCK_BYTES):
                    self._check_room(where)
                    to.write(block)
        except (OSError, EOFError, zlib.error) as error:
            raise SourceFormatError(
                f"{where} cannot be unpacked ({error}). Expected a whole .tar.gz"
            ) from error
        return target.stat().st_size

    def _check_room(self, where: str) -> None:
        if shutil.disk_usage(self._folder).free < SPARE_BYTES:
            raise SourceFormatError(
                f"{where}: compressed shards are unpacked while they are read, and "
                f"{tempfile.gettempdir()} has no room for it. Name a larger disk with TMPDIR, or "
                "unpack them for good (images do not get larger by it): gunzip SHARD.tar.gz"
            )
