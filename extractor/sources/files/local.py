"""Files below a folder of this machine."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO

from .files import Stamp, Tree
from .names import is_visible

Identity = tuple[int, int]
MAX_LINK_BYTES = 1024
MAX_LINKS = 100


class LocalFiles:
    """Files below a folder of this machine; names that are not UTF-8 survive."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.location = str(root.resolve())
        self._written_links: dict[str, str] = {}

    def list_folder(self, folder: str = "") -> list[str]:
        """Return the names of the visible files right in a folder; empty where it is none."""
        try:
            with os.scandir(self._path(folder)) as entries:
                return [e.name for e in entries if is_visible(e.name) and _is_file(e)]
        except (OSError, ValueError):
            return []

    def walk(self) -> Tree:
        """Return all that lies below the folder; links are followed, save those to an ancestor.

        A link that git wrote as a text file, as it does on Windows, is followed, too.
        """
        tree = Tree()
        root = self.root.resolve()
        ancestors = tuple(_identity(str(path)) for path in (root, *root.parents))
        self._walk(str(self.root), "", ancestors, tree)
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
        path = self._path(name) if self._written_links else os.path.join(self.root, name)  # noqa: PTH118
        try:
            return open(path, "rb")  # noqa: PTH123
        except ValueError as error:  # a NUL byte in the name
            raise OSError(str(error)) from error

    def _path(self, name: str) -> str:
        for link, target in self._written_links.items():
            if name.startswith(link):
                return os.path.join(target, name[len(link) :])  # noqa: PTH118
        return os.path.join(self.root, name)  # noqa: PTH118

    def _walk(self, folder: str, prefix: str, ancestors: tuple[Identity, ...], tree: Tree) -> None:
        try:
            with os.scandir(folder) as scanned:
                entries = list(scanned)
        except OSError as error:
            if not prefix:
                raise
            tree.unlisted.append(f"{prefix} ({error.strerror})")
            return
        without_ending = [entry for entry in entries if "." not in entry.name]
        may_be_links = without_ending if len(without_ending) <= MAX_LINKS else []
        for entry in entries:
            is_folder = _is_folder(entry)
            if not is_visible(entry.name):
                tree.pass_over(entry.name, is_folder)
                continue
            name = prefix + entry.name
            target = entry.path if is_folder else ""
            if entry in may_be_links and not is_folder:
                target = _written_link(entry, folder)
            if not target:
                tree.names += [name] if _is_file(entry) else []
                continue
            identity = _identity(target)
            if identity in ancestors and (entry.is_symlink() or not is_folder):
                tree.unlisted.append(f"{name} (a link to a folder above it)")
                continue
            if not is_folder:
                self._written_links[f"{name}/"] = f"{target}/"
            tree.folders.append(name)
            self._walk(target, f"{name}/", (*ancestors, identity), tree)


def _written_link(entry: os.DirEntry[str], folder: str) -> str:
    """Return the folder that a link leads to which git wrote as text; empty where it is none."""
    try:
        if not entry.is_file():
            return ""
        with open(entry.path, "rb") as file:  # noqa: PTH123
            content = file.read(MAX_LINK_BYTES + 1)
    except OSError:
        return ""
    if not content or len(content) > MAX_LINK_BYTES or b"\0" in content or b"\n" in content:
        return ""
    target = os.path.join(folder, os.fsdecode(content))  # noqa: PTH118
    return target if os.path.isdir(target) else ""  # noqa: PTH112


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
