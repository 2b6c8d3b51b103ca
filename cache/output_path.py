"""Paths that a user names for a result: what may be written there, and what is left alone.

featx replaces only what it wrote itself, and it knows that by a file's content, never by its name.
Every command that takes an output path asks here before its work begins.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from .errors import ConfigError
from .places.remote_path import RemotePath, cache_path

IsOwn = Callable[[Path], bool]
FindForeign = Callable[[Path], Path | None]


def output_file(path: Path, what: str, is_own: IsOwn, *, overwrite: bool = False) -> Path:
    """Check that a file may be written, and return its path with links followed.

    A file that is there is left alone unless ``is_own`` recognises it. Nothing is written here.

    Parameters
    ----------
    path : Path
    what : str
        What the command writes, as in "a model".
    is_own : callable
        Says whether the content of an existing file was written by featx for this purpose.
    overwrite : bool
        The user asked to replace any file; folders, devices and write-protected files stay.

    Raises
    ------
    ConfigError
        Something else is there, or the folder cannot be written to.
    """
    _refuse_url(path, what)
    status = _status(path)
    target = path.resolve() if path.is_symlink() else path
    if status is not None:
        if stat.S_ISDIR(status.st_mode):
            raise ConfigError(f"{path} is a folder, expected the name of a file for {what}")
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{path} is a device or a pipe, expected the name of a file")
        if not overwrite and not is_own(target):
            raise ConfigError(
                f"{path} exists and is not {what} that featx wrote, so it is not replaced. "
                "Name another file, or add --overwrite"
            )
        # Root may write to any file; the permission bits still say what the owner wants.
        if not status.st_mode & 0o222:
            raise ConfigError(
                f"{path} is write-protected, so it is not replaced. Name another file, or allow "
                f"it: chmod u+w {path}"
            )
    _check_parent(target)
    return target


def output_folder(path: Path, what: str, find_foreign: FindForeign) -> Path:
    """Check that a folder may be written, and return its path with links followed.

    Parameters
    ----------
    path : Path
    what : str
        What the command writes, as in "predictions".
    find_foreign : callable
        Returns an entry of an existing folder that featx did not write, or None.

    Raises
    ------
    ConfigError
        Something else is there, or the folder cannot be written to.
    """
    _refuse_url(path, what)
    status = _status(path)
    target = path.resolve() if path.is_symlink() else path
    if status is not None:
        if not stat.S_ISDIR(status.st_mode):
            raise ConfigError(f"{path} is a file, expected a folder or a new name for {what}")
        foreign = find_foreign(target)
        if foreign is not None:
            raise ConfigError(
                f"{path} holds {foreign.name}, which featx does not replace: name a new folder"
            )
    _check_parent(target)
    return target


def foreign_entry(
    folder: Path, is_own: IsOwn, is_in_progress: Callable[[str], object] = lambda _: False
) -> Path | None:
    """Return the first entry of ``folder`` that is no file which ``is_own`` recognises, or None.

    Entries whose name ``is_in_progress`` recognises, and those that another process has just
    removed, do not count.
    """
    try:
        entries = sorted(path for path in folder.iterdir() if not is_in_progress(path.name))
    except OSError as error:
        raise ConfigError(f"cannot read {folder}: {error.strerror or error}") from error
    foreign = (p for p in entries if p.is_symlink() or not p.is_file() or not is_own(p))
    return next(filter(os.path.lexists, foreign), None)


def _refuse_url(path: Path, what: str) -> None:
    url = cache_path(path)
    if isinstance(url, RemotePath):
        raise ConfigError(
            f"{url} is a URL, and {what} is written to this machine: name a path here and copy the "
            "result. Only --cache and sources may be URLs"
        )


def _status(path: Path) -> os.stat_result | None:
    """Return what is at ``path``, links followed; None where there is nothing."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}") from error


def _check_parent(path: Path) -> None:
    """Refuse a path whose folder is not writable, or could not be made."""
    folder = next(parent for parent in path.absolute().parents if os.path.lexists(parent))
    if not folder.is_dir():
        raise ConfigError(f"cannot write {path}: {folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"cannot write {path}: no permission to write in {folder}")
