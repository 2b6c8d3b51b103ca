"""The folder for what featx keeps per user: converted networks, and what was measured on them."""

from __future__ import annotations

import logging
import os
import stat
import tempfile
from functools import cache
from pathlib import Path

VARIABLE = "FEATX_HOME"
logger = logging.getLogger(__name__)


def featx_home() -> Path:
    """Return the folder that ``FEATX_HOME`` names, by default ``~/.cache/featx``."""
    home = os.environ.get(VARIABLE)
    if home:
        return Path(os.path.abspath(os.path.expanduser(home)))  # noqa: PTH100, PTH111 (as below)
    # Path.expanduser fails where no home folder is known.
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    return Path(caches) / "featx"


def writable_home() -> Path:
    """Return ``featx_home()``, or a temporary folder, with a warning, where it cannot be written.

    The temporary folder is the same for all runs of a user on a machine.
    """
    home = featx_home()
    if _is_writable(home):
        return home
    temporary = _temporary_home()
    _warn(home, temporary)
    return temporary


def _is_writable(folder: Path) -> bool:
    if not folder.is_absolute():  # `~` stays where no home folder is known
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _temporary_home() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"featx-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return Path(tempfile.mkdtemp(prefix="featx-"))
    # Another user could have made it, to hand over networks of theirs.
    is_private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o022
    if is_private and (not hasattr(os, "getuid") or status.st_uid == user):
        return folder
    return Path(tempfile.mkdtemp(prefix="featx-"))


@cache
def _warn(home: Path, temporary: Path) -> None:
    logger.warning(
        "cannot write %s: converted networks go to %s until the machine clears it. %s names a "
        "folder that stays",
        home,
        temporary,
        VARIABLE,
    )
