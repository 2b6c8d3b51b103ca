"""Files that appear whole or not at all.

A file is written under a unique ``.partial`` name in its final folder, flushed to the disk, then
renamed; the folder is flushed last, so that the name itself survives a power cut. The pattern is
that of zarr-python's local store, with the two fsync calls that a cache of days of work needs.
Behind a URL, a file is written on this machine and uploaded under its final name.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import CacheWriteError
from ..places.remote_path import RemotePath
from .sharing import is_shared, make_folder, open_to_group

PARTIAL = ".partial"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path that becomes ``path`` when the block ends without an error.

    Raises
    ------
    CacheWriteError
        The file system refused (disk full, no permission). ``path`` is as it was before.
    """
    is_remote = isinstance(path, RemotePath)
    try:
        with path.uploaded() if isinstance(path, RemotePath) else _renamed(path) as partial:
            yield partial
    except OSError as error:
        remedy = "free some space or fix the permissions and run the same command again."
        raise CacheWriteError(
            f"cannot write {path}: {error.strerror or error}. What was there before is untouched; "
            + ("the same command goes on from there." if is_remote else remedy)
        ) from error


@contextmanager
def _renamed(path: Path) -> Iterator[Path]:
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}{PARTIAL}")
    try:
        make_folder(path.parent)
        yield partial
        _sync(partial)
        if is_shared(path.parent):
            open_to_group(partial)
        partial.replace(path)
        _sync(path.parent)
    finally:
        # A read-only file system refuses even to remove what is not there.
        with suppress(OSError):
            partial.unlink()


def write_text(path: Path, text: str) -> None:
    """Write ``text`` (UTF-8) to ``path`` atomically."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="surrogateescape")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
