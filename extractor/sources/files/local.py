"""Files below a folder of this machine."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO

from .files import Stamp, Tree
from .names import is_visible

Identity = tuple[int, int]


class LocalFiles:
    """Files below a folder of this machine; names that are not UTF-8 survive."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.location = str(root.resolve())

    def list_folder(self, folder: str = "") -> list[str]:
        """Return the names of the visible files right in a folder; empty where it is none."""
        try:
            with os.scandir(self._path(folder)) as entries:
                return [e.name for e in entries if is_visible(e.name) and _is_file(e)]
        except (OSError, ValueError):
            return []

    def walk(self) -> Tree:
        """Return all that lies below the folder; links are followed, save those to an ancestor."""
        tree = Tree()
        root = self.root.resolve()
        _walk(str(self.root), "", tuple(_identity(str(p)) for p in (root, *root.parents)), tree)
        return tree

    def stamp(self, name: str) -> Stamp | None:
        """Return size, mtime and ctime in nanoseconds; None where there is no such file."""
        try:
            status = os.stat(self._path(name))  # noqa: PTH116 (a million Path objects cost more)
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
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
        try:
            return open(self._path(name), "rb")  # noqa: PTH123
        except ValueError as error:  # a NUL byte in the name
            raise OSError(str(error)) from error

    def _path(self, name: str) -> str:
        return os.path.join(self.root, name)  # noqa: PTH118


def _walk(folder: str, prefix: str, ancestors: tuple[Identity, ...], tree: Tree) -> None:
    try:
        with os.scandir(folder) as scanned:
            entries = list(scanned)
    except OSError as error:
        if not prefix:
            raise
        tree.unlisted.append(f"{prefix} ({error.strerror})")
        return
    for entry in entries:
        is_folder = _is_folder(entry)
        if not is_visible(entry.name):
            tree.pass_over(entry.name, is_folder)
        elif not is_folder:
            if _is_file(entry):
                tree.names.append(prefix + entry.name)
        else:
            identity = _identity(entry.path)
            if entry.is_symlink() and identity in ancestors:
                tree.unlisted.append(f"{prefix}{entry.name} (a link to a folder above it)")
                continue
            tree.folders.append(prefix + entry.name)
            _walk(entry.path, f"{prefix}{entry.name}/", (*ancestors, identity), tree)


def _identity(path: str) -> Identity:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Tell whether reading ends: a file, or a dangling link; no pipe, socket or device."""
    try:
        return entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path))  # noqa: PTH110
    except OSError:
        return True
