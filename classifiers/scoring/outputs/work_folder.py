"""The work folder of a scoring run: beside the result, held by one process, known by a marker."""

from __future__ import annotations

import fcntl
import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path

from ....cache.errors import CacheWriteError, ModelError
from ....cache.format.atomic import write_text

MARKER = "featx-work.json"
SIGNATURE = {"featx": "checkpoints of a scoring run", "version": 2}
LOCK = "lock"
FOLDERS, CHECKPOINTS = "folder-*", f"{'?' * 12}-{'?' * 12}-*.arrow"


class WorkFolder:
    """The folder ``<result>.parts``, or the next free number where that is somebody else's.

    Attributes
    ----------
    path : Path
        It may not exist yet.
    """

    def __init__(self, result: Path) -> None:
        endings = chain((".parts",), (f".parts{number}" for number in count(2)))
        candidates = (result.with_name(result.name + ending) for ending in endings)
        self.path = next(path for path in candidates if is_work_folder(path) or _is_free(path))

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Make the folder and lock it for this process; remove it after success.

        Raises
        ------
        CacheWriteError
            The folder cannot be made.
        ModelError
            Another process is scoring to the same place.
        """
        try:
            self._make()
            lock = (self.path / LOCK).open("w")
        except OSError as error:
            raise CacheWriteError(f"cannot write {self.path}: {error.strerror or error}") from error
        with lock:
            try:
                # The lock goes with the process, whatever kills it.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ModelError(
                    "another process is scoring to the same place (it holds "
                    f"{self.path / LOCK}): wait for it, or name another --out"
                ) from error
            yield
            self._remove()

    def new_folder(self) -> Path:
        """Return the path of a new folder that is removed with this one."""
        return self.path / FOLDERS.replace("*", uuid.uuid4().hex)

    def _make(self) -> None:
        """Make the folder with its marker at once: without it, nothing here is featx' own."""
        if is_work_folder(self.path):
            return
        arriving = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex}")
        write_text(arriving / MARKER, json.dumps(SIGNATURE))
        try:
            arriving.rename(self.path)
        except OSError:
            (arriving / MARKER).unlink()
            arriving.rmdir()
            if not is_work_folder(self.path):
                raise

    def _remove(self) -> None:
        """Remove what a run writes; a folder into which somebody else wrote stays."""
        with suppress(OSError):
            for folder in self.path.glob(FOLDERS):
                shutil.rmtree(folder)
            for pattern in (CHECKPOINTS, f"{CHECKPOINTS}.*.partial", MARKER, LOCK):
                for file in self.path.glob(pattern):
                    file.unlink()
            self.path.rmdir()


def is_work_folder(path: Path) -> bool:
    """Return whether a folder holds the marker of a scoring run."""
    try:
        return bool(json.loads((path / MARKER).read_text(encoding="utf-8")) == SIGNATURE)
    except (OSError, ValueError):
        return False


def _is_free(path: Path) -> bool:
    return not path.exists() and not path.is_symlink()
