"""Files below one place, on this machine or behind a URL."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import SourceFormatError, SourceNotFoundError

Stamp = tuple[int, int, int]
NO_STAMP: Stamp = (0, 0, 0)
VERSION_KEYS = ("ETag", "etag", "md5Hash", "md5", "checksum", "generation", "version_id")
TIME_KEYS = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")
VERSION_BYTES = 6


class Files(Protocol):
    """What a source needs of a file system; names are relative POSIX paths.

    Attributes
    ----------
    location : str
        The place, for people; equal for equal places.
    """

    location: str

    def top(self) -> list[str]:
        """Return the names of the visible files right in the place."""
        ...

    def walk(self) -> Iterator[str]:
        """Yield the names of all visible files below the place, in no order."""
        ...

    def stamp(self, name: str) -> Stamp:
        """Return size in bytes and two numbers that change with the file; zeros where unknown."""
        ...

    def read(self, name: str) -> bytes:
        """Return a file's bytes; raises OSError where it cannot be read."""
        ...

    def read_range(self, name: str, start: int, n_bytes: int) -> bytes:
        """Return ``n_bytes`` of a file from ``start``; raises OSError where it cannot be read."""
        ...

    def open(self, name: str) -> IO[bytes]:
        """Open a file for reading with ``seek``; raises OSError where it cannot be read."""
        ...


class LocalFiles:
    """Files below a folder of this machine; names that are no UTF-8 survive."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.location = str(root.resolve())

    def top(self) -> list[str]:
        """Return the names of the visible files right in the folder."""
        with os.scandir(self.root) as entries:
            return [e.name for e in entries if is_visible(e.name) and e.is_file()]

    def walk(self) -> Iterator[str]:
        """Yield the visible files below the folder; links that loop end there."""
        seen = {os.path.realpath(self.root)}
        for folder, folders, files in os.walk(self.root, followlinks=True):
            kept = []
            for name in folders:
                real = os.path.realpath(os.path.join(folder, name))  # noqa: PTH118
                if is_visible(name) and real not in seen:
                    seen.add(real)
                    kept.append(name)
            folders[:] = kept
            relative = os.path.relpath(folder, self.root).replace(os.sep, "/")
            prefix = "" if relative == "." else f"{relative}/"
            yield from (f"{prefix}{name}" for name in files if is_visible(name))

    def stamp(self, name: str) -> Stamp:
        """Return size, mtime and ctime in nanoseconds; zeros where the file is not to be seen."""
        try:
            status = os.stat(self._path(name))  # noqa: PTH116 (a million Path objects cost more)
        except OSError:
            return NO_STAMP
        return status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""
        with self.open(name) as file:
            return file.read()

    def read_range(self, name: str, start: int, n_bytes: int) -> bytes:
        """Return ``n_bytes`` of a file from ``start``."""
        with self.open(name) as file:
            file.seek(start)
            return file.read(n_bytes)

    def open(self, name: str) -> IO[bytes]:
        """Open a file for reading."""
        return open(self._path(name), "rb")  # noqa: PTH123

    def _path(self, name: str) -> str:
        return os.path.join(self.root, name)  # noqa: PTH118


class RemoteFiles:
    """Files below a URL, through fsspec.

    Parameters
    ----------
    url : str
        Such as ``s3://bucket/photos``; what stands before ``://`` chooses the file system.

    Raises
    ------
    SourceFormatError
        fsspec, or its part for this kind of URL, is not installed.
    """

    def __init__(self, url: str) -> None:
        self.location = url.rstrip("/")
        self._fs, self._root = _file_system(self.location)
        self._infos: dict[str, dict[str, Any]] = {}

    def kind(self) -> str:
        """Return ``file``, ``directory`` or ``none``."""
        try:
            info: dict[str, Any] = self._fs.info(self._root)
        except FileNotFoundError:
            return "none"
        return str(info["type"])

    def top(self) -> list[str]:
        """Return the names of the visible files right below the URL."""
        infos = self._fs.ls(self._root, detail=True)
        return [name for info in infos if info["type"] == "file" if (name := self._note(info))]

    def walk(self) -> Iterator[str]:
        """Yield the names of all visible files below the URL; one listing tells all stamps."""
        for info in self._fs.find(self._root, detail=True).values():
            name = self._note(info)
            if name:
                yield name

    def stamp(self, name: str) -> Stamp:
        """Return size, time in nanoseconds and a digest of the version; zeros where unknown."""
        info = self._infos.get(name)
        if info is None:
            try:
                info = self._fs.info(self._full(name))
            except OSError:
                return NO_STAMP
        seconds = next((_seconds(info[key]) for key in TIME_KEYS if info.get(key)), 0.0)
        version = next((str(info[key]) for key in VERSION_KEYS if info.get(key)), "")
        if not seconds and not version:
            return NO_STAMP
        digest = hashlib.sha256(version.encode()).digest()[:VERSION_BYTES] if version else b""
        return int(info.get("size") or 0), int(seconds * 1e9), int.from_bytes(digest)

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""
        return self._fetch(name, None, None)

    def read_range(self, name: str, start: int, n_bytes: int) -> bytes:
        """Return ``n_bytes`` of a file from ``start``, and fetch no others."""
        return self._fetch(name, start, start + n_bytes)

    def open(self, name: str) -> IO[bytes]:
        """Open a file for reading; what lies ahead is fetched in blocks."""
        file: IO[bytes] = self._fs.open(self._full(name), "rb")
        return file

    def _fetch(self, name: str, start: int | None, stop: int | None) -> bytes:
        try:
            content: bytes = self._fs.cat_file(self._full(name), start=start, end=stop)
        except OSError:
            raise
        # Each client has errors of its own (botocore, aiohttp, google.auth); all mean the same.
        except Exception as error:
            raise OSError(f"{type(error).__name__}: {error}") from error
        return content

    def _note(self, info: dict[str, Any]) -> str:
        """Keep what a listing says of a file; return its name, or nothing for a hidden one."""
        name = str(info["name"])[len(self._root) :].lstrip("/")
        if not name or not all(is_visible(part) for part in name.split("/")):
            return ""
        self._infos[name] = info
        return name

    def _full(self, name: str) -> str:
        return f"{self._root}/{name}"


def is_url(place: str) -> bool:
    """Tell whether a place is a URL and not a path."""
    return "://" in place


def locate(place: str | Path) -> tuple[Files, str | None]:
    """Return the files at a place and, where it is one file, its name among them.

    Raises
    ------
    SourceNotFoundError
        There is nothing at ``place``.
    SourceFormatError
        ``place`` is a URL that nothing installed can read.
    """
    if isinstance(place, str) and is_url(place):
        return _locate_url(place)
    path = Path(place)
    if path.is_dir():
        return LocalFiles(path), None
    if path.exists():
        return LocalFiles(path.parent), path.name
    raise _nothing(str(place))


def read_stamps(files: Files, names: Sequence[str]) -> NDArray[np.int64]:
    """Return the stamps of many files, ``(n, 3)``; zeros where one cannot be looked at."""
    stamps = np.zeros((len(names), len(NO_STAMP)), np.int64)
    for row, name in enumerate(names):
        stamps[row] = files.stamp(name)
    return stamps


def buffered(files: Files, name: str) -> io.BytesIO:
    """Return the whole of a file in memory."""
    return io.BytesIO(files.read(name))


def is_visible(name: str) -> bool:
    """Tell whether a file is meant to be seen by its name."""
    return not name.startswith(".") and name != "Thumbs.db"


def _locate_url(url: str) -> tuple[Files, str | None]:
    files = RemoteFiles(url)
    try:
        kind = files.kind()
    except OSError as error:
        raise SourceNotFoundError(f"cannot reach {url}: {error}") from error
    # Clients refuse with errors of their own where credentials are missing.
    except Exception as error:
        raise SourceNotFoundError(f"cannot reach {url}: {type(error).__name__}: {error}") from error
    if kind == "none":
        raise _nothing(url)
    if kind == "directory":
        return files, None
    folder, _, name = files.location.rpartition("/")
    return RemoteFiles(folder), name


def _nothing(place: str) -> SourceNotFoundError:
    return SourceNotFoundError(
        f"{place} does not exist. Expected a folder of images, a folder with one subfolder per "
        "class, a table (.csv, .parquet), arrays (.npz, .npy, IDX), WebDataset shards (.tar), or "
        "the word `sample` for the bundled sample"
    )


def _file_system(url: str) -> tuple[Any, str]:
    protocol = url.split("://", maxsplit=1)[0]
    try:
        import fsspec

        file_system, root = fsspec.core.url_to_fs(url)
    except ImportError as error:
        extra = {"s3": "s3", "gs": "gcs", "gcs": "gcs"}.get(protocol, "remote")
        raise SourceFormatError(
            f"{url} cannot be read without a further package ({error}): "
            f"pip install 'featx[{extra}]'"
        ) from error
    except ValueError as error:
        raise SourceFormatError(
            f"{url}: no file system answers to {protocol}:// ({error})"
        ) from error
    return file_system, str(root).rstrip("/")


def _seconds(value: Any) -> float:
    """Return seconds since the epoch of a time in any of the forms that clients use."""
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, int | float):
        return float(value)
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return 0.0
