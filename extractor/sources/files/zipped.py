"""Files in a zip archive, read by where they lie in it: no copy, and no lock between threads."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections import Counter
from typing import IO

from ....cache.errors import SourceFormatError
from .files import NO_STAMP, Files, Stamp, Tree, shown
from .names import is_visible

LOCAL_HEADER = struct.Struct("<26xHH")
"""The lengths of name and extra field, before which 26 bytes stand (APPNOTE.TXT 4.3.7)."""
ENCRYPTED = 0x1
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def _inside(name: str) -> str:
    """Return an entry's path below the archive's root, as programs unpack ``../cat/1.png``."""
    parts = name.replace("\\", "/").split("/")
    kept = [part for part in parts[:-1] if part not in ("", ".", "..")]
    return "/".join([*kept, parts[-1]])


class ZipFiles:
    """Files in a zip archive.

    Parameters
    ----------
    files : Files
        Where the archive lies.
    name : str

    Raises
    ------
    SourceFormatError
        The file is no whole zip archive, or holds a file twice.
    """

    def __init__(self, files: Files, name: str) -> None:
        self._files, self._archive = files, name
        self.location = f"{files.location}/{name}"
        try:
            with files.open(name) as file, zipfile.ZipFile(file) as archive:
                infos = archive.infolist()
        except (OSError, zipfile.BadZipFile, NotImplementedError, EOFError) as error:
            raise SourceFormatError(
                f"{self.location} is not a readable zip archive ({error})"
            ) from error
        named = [(_inside(info.filename), info) for info in infos]
        self._infos = {name: info for name, info in named if not name.endswith("/")}
        self._folders = sorted({name.rstrip("/") for name, _ in named if name.endswith("/")})
        self._mtime = (files.stamp(name) or NO_STAMP)[1]
        repeated = [name for name, n in Counter(name for name, _ in named).items() if n > 1]
        if repeated:
            raise SourceFormatError(
                f"{self.location} holds files of one name: {shown(repeated)}. Expected a name of "
                "its own for each: pack it anew"
            )

    def list_folder(self, folder: str = "") -> list[str]:
        """Return the names of the visible files right in a folder; empty where it is none."""
        start = f"{folder}/" if folder else ""
        below = [name[len(start) :] for name in self._infos if name.startswith(start)]
        return [name for name in below if "/" not in name and is_visible(name)]

    def walk(self) -> Tree:
        """Return all that the archive holds."""
        tree = Tree()
        for name in self._infos:
            *folders, last = name.split("/")
            hidden = next((part for part in folders if not is_visible(part)), "")
            if hidden or not is_visible(last):
                tree.pass_over(hidden or last, bool(hidden))
            else:
                tree.names.append(name)
        tree.folders = [f for f in self._folders if all(map(is_visible, f.split("/")))]
        return tree

    def stamp(self, name: str) -> Stamp | None:
        """Return size, the archive's mtime and the checksum; None where there is no such file."""
        info = self._infos.get(name)
        if info is None:
            return None
        return info.file_size, self._mtime, info.CRC

    def read(self, name: str) -> bytes:
        """Return a file's bytes; raises OSError where they are damaged or encrypted."""
        info = self._infos.get(name)
        if info is None:
            raise FileNotFoundError(2, "no such file in the archive", name)
        if info.flag_bits & ENCRYPTED:
            raise OSError("encrypted in the archive")
        if info.compress_type not in METHODS:
            raise OSError(f"compressed in the archive by method {info.compress_type}")
        header = self._range(info.header_offset, LOCAL_HEADER.size)
        n_name, n_extra = LOCAL_HEADER.unpack(header)
        start = info.header_offset + LOCAL_HEADER.size + n_name + n_extra
        content = self._range(start, info.compress_size)
        if info.compress_type == zipfile.ZIP_DEFLATED:
            try:
                content = zlib.decompress(content, -zlib.MAX_WBITS)
            except zlib.error as error:
                raise OSError(f"damaged in the archive ({error})") from error
        if zlib.crc32(content) != info.CRC:
            raise OSError("damaged in the archive (wrong checksum)")
        return content

    def read_range(self, name: str, start: int, n_bytes: int) -> bytes:
        """Return ``n_bytes`` of a file from ``start``."""
        return self.read(name)[start : start + n_bytes]

    def open(self, name: str) -> IO[bytes]:
        """Return a file's bytes as a file."""
        return io.BytesIO(self.read(name))

    def _range(self, start: int, n_bytes: int) -> bytes:
        content = self._files.read_range(self._archive, start, n_bytes)
        if len(content) != n_bytes:
            raise OSError("the archive is cut short")
        return content
