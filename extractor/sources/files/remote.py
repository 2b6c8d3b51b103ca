"""Files behind a URL, through fsspec."""

from __future__ import annotations

import hashlib
from typing import IO, Any

from ....cache.errors import ConfigError, SourceFormatError
from ....cache.places.file_system import (
    bucket_problem,
    open_file_system,
    persist,
    seconds_of,
    version_of,
)
from .files import NO_STAMP, Stamp, Tree
from .names import is_visible

VERSION_BYTES = 6
LARGE_BYTES = 32 << 20


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
            info: dict[str, Any] = persist(
                lambda: self._fs.info(self._root), f"look at {self.location}"
            )
        except FileNotFoundError:
            return "none"
        return str(info["type"])

    def problem(self) -> str:
        """Return what may be said of a URL with nothing there, after a sentence without a stop."""
        problem = bucket_problem(self.location)
        return f": {problem}" if problem else reach_advice(self.location)

    def list_folder(self, folder: str = "") -> list[str]:
        """Return the names of the visible files right in a folder; empty where it is none."""
        try:
            path = self._full(folder) if folder else self._root
            infos = persist(lambda: self._fs.ls(path, detail=True), f"list {path}")
        except OSError:
            return []
        names = [self._note(info) for info in infos if info["type"] == "file"]
        return [name.rpartition("/")[2] for name in names if name]

    def walk(self) -> Tree:
        """Return the files below the URL; one listing tells all stamps."""
        tree = Tree()
        infos = persist(lambda: self._fs.find(self._root, detail=True), f"list {self.location}")
        for info in infos.values():
            name = self._note(info)
            if name:
                tree.names.append(name)
                continue
            *folders, last = self._relative(info).split("/")
            hidden = next((part for part in folders if not is_visible(part)), "")
            tree.pass_over(hidden or last, bool(hidden))
        return tree

    def stamp(self, name: str) -> Stamp | None:
        """Return size, time in nanoseconds and a digest of the version; zeros where unknown."""
        info = self._infos.get(name)
        if info is None:
            try:
                info = persist(lambda: self._fs.info(self._full(name)), f"look at {name}")
            except FileNotFoundError:
                return None
            except OSError:
                return NO_STAMP
        seconds, version = seconds_of(info), version_of(info)
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

    def open_for_ranges(self, name: str) -> IO[bytes]:
        """Open a file of which distant parts are read; nothing else is fetched."""
        file: IO[bytes] = self._fs.open(self._full(name), "rb", cache_type="none")
        return file

    def _fetch(self, name: str, start: int | None, stop: int | None) -> bytes:
        path = self._full(name)
        content: bytes = persist(
            lambda: self._fs.cat_file(path, start=start, end=stop, **self._options(name, start)),
            f"read {path}",
        )
        return content

    def _options(self, name: str, start: int | None) -> dict[str, int]:
        """Return what lets s3fs read a small object whole in one request, not in two."""
        size = self._infos.get(name, {}).get("size") or LARGE_BYTES
        is_s3 = self.location.startswith(("s3://", "s3a://"))
        return {"max_concurrency": 1} if is_s3 and start is None and size < LARGE_BYTES else {}

    def _note(self, info: dict[str, Any]) -> str:
        """Keep what a listing says of a file; return its name, or nothing for a hidden one."""
        name = self._relative(info)
        if not name or not all(is_visible(part) for part in name.split("/")):
            return ""
        self._infos[name] = info
        return name

    def _relative(self, info: dict[str, Any]) -> str:
        return str(info["name"])[len(self._root) :].lstrip("/")

    def _full(self, name: str) -> str:
        return f"{self._root}/{name}"


def reach_advice(url: str) -> str:
    """Return what to type where a URL cannot be reached; empty where nothing is known of it."""
    protocol, _, path = url.partition("://")
    if protocol != "hf":
        return ""
    parts = path.partition("@")[0].split("/")
    is_data_set = parts[0] == "datasets"
    repository = "/".join(parts[1:3] if is_data_set else parts[:2])
    option = " --repo-type dataset" if is_data_set else ""
    return (
        ". If it is private or asks for consent: hf auth login. If this machine has no connection, "
        f"type on another one: hf download {repository}{option} --local-dir FOLDER, and give that "
        "folder as the source"
    )


def _file_system(url: str) -> tuple[Any, str]:
    try:
        return open_file_system(url)
    except ConfigError as error:
        raise SourceFormatError(str(error)) from error
