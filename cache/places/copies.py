"""Copies on this machine of files behind URLs, within a bound; those unused for longest go first.

``FEATX_COPIES`` names the folder, by default ``copies`` in ``FEATX_HOME``; ``FEATX_COPIES_SIZE``
the bound, by default 20 GB. Any number of processes share it: a copy appears whole, under a name
that says which version of which file it is, and a process that has it open keeps it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import CacheError
from .home import writable_home
from .sizes import parse_size

FOLDER, SIZE = "FEATX_COPIES", "FEATX_COPIES_SIZE"
DEFAULT_SIZE = "20GB"
UNFINISHED = ".partial"
UNFINISHED_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Copies:
    """The copies of one user on one machine.

    Attributes
    ----------
    folder : Path
    max_bytes : int
        What all copies may take, the one that was made last aside.
    """

    folder: Path
    max_bytes: int

    @classmethod
    def of_user(cls) -> Copies:
        """Return the copies that the environment names.

        Raises
        ------
        ConfigError
            ``FEATX_COPIES_SIZE`` is no size.
        """
        named = os.environ.get(FOLDER)
        folder = Path(named) if named else writable_home() / "copies"
        return cls(folder, parse_size(os.environ.get(SIZE) or DEFAULT_SIZE, SIZE))

    def path(self, url: str, version: str = "") -> Path:
        """Return where the copy of a version of a file lies, or would."""
        return self.folder / hashlib.sha256(f"{url}\n{version}".encode()).hexdigest()[:40]

    def find(self, url: str, version: str = "") -> Path | None:
        """Return the copy of a version of a file, which counts as used now; None without one."""
        path = self.path(url, version)
        try:
            os.utime(path)
        except FileNotFoundError:
            return None
        return path

    def partial_path(self) -> Path:
        """Return a path for a new file, which counts as left over after a day."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{uuid.uuid4().hex}{UNFINISHED}"

    @contextmanager
    def partial(self) -> Iterator[Path]:
        """Yield a path for a new file, which is removed at the end unless it was renamed."""
        path = self.partial_path()
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def fetch(self, url: str, version: str, n_bytes: int, download: Callable[[Path], None]) -> Path:
        """Return the copy of a version of a file, made now where there is none.

        Parameters
        ----------
        url, version : str
        n_bytes : int
            How long the file is; a copy that is shorter is not kept.
        download : callable
            Writes the file to a path.

        Raises
        ------
        OSError
            The server or the disk refused.
        """
        path = self.find(url, version)
        if path is not None:
            return path
        with self.partial() as partial:
            download(partial)
            size = partial.stat().st_size
            if size != n_bytes:
                raise OSError(f"{size:,} bytes came of {n_bytes:,}")
            return self.keep(partial, url, version)

    def keep(self, partial: Path, url: str, version: str = "") -> Path:
        """Make a file in the folder the copy of a version of a file."""
        path = self.path(url, version)
        partial.replace(path)
        self._remove_oldest(path)
        return path

    def drop(self, url: str, version: str = "") -> None:
        """Remove the copy of a version of a file, where there is one."""
        self.path(url, version).unlink(missing_ok=True)

    def _remove_oldest(self, newest: Path) -> None:
        copies: list[tuple[float, int, Path]] = []
        for entry in os.scandir(self.folder):
            with suppress(FileNotFoundError):  # another process removes old ones as well
                status = entry.stat()
                copies.append((status.st_mtime, status.st_size, Path(entry.path)))
        n_bytes = sum(size for _, size, _ in copies)
        for used, size, path in sorted(copies):
            is_old = used < time.time() - UNFINISHED_SECONDS
            if path == newest or (path.name.endswith(UNFINISHED) and not is_old):
                continue
            if n_bytes > self.max_bytes or path.name.endswith(UNFINISHED):
                path.unlink(missing_ok=True)
                n_bytes -= size

    @contextmanager
    def lock(self, url: str) -> Iterator[bool]:
        """Hold a lock of this machine on a URL; yields whether it was free."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.path(url, "lock").with_suffix(".lock")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            yield _is_locked(descriptor)
        finally:
            os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return True


def refused(path: Path, error: OSError) -> CacheError:
    """Return the error for a place behind a URL that cannot be read."""
    return CacheError(f"cannot read {path}: {error.strerror or error}")
