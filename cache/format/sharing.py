"""Caches that a group of users shares: all that is written there is writable for the group.

``cache.json`` in the cache's folder says that it is shared, as ``core.sharedRepository`` in git's
config does. Folders carry the set-group-ID bit, so that new files belong to the folder's group.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..places.remote_path import RemotePath

CONFIG = "cache.json"
SHARED, GROUP = "shared", "group"
LEVELS = 5
"""The folders in which a cache's file may look for the config: its own, and four above."""

FILE_BITS = stat.S_IRGRP | stat.S_IWGRP
FOLDER_BITS = FILE_BITS | stat.S_IXGRP | stat.S_ISGID


def is_shared(folder: Path) -> bool:
    """Tell whether a folder lies in a cache that a group shares."""
    return not isinstance(folder, RemotePath) and any(
        read_config(parent).get(SHARED) == GROUP for parent in (folder, *folder.parents)[:LEVELS]
    )


def read_config(root: Path) -> Mapping[str, Any]:
    """Return what the config in a cache's folder says; nothing where there is none."""
    try:
        config = json.loads((root / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; in a shared cache they are open to its group.

    Raises
    ------
    OSError
        The file system refused.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    if missing and is_shared(folder):
        for path in missing:
            open_to_group(path)


def open_to_group(path: Path) -> bool:
    """Let the group of a file or folder read and write it; tell whether it may now.

    Only the owner may change that.
    """
    mode = path.stat().st_mode
    wanted = mode | (FOLDER_BITS if stat.S_ISDIR(mode) else FILE_BITS)
    if wanted != mode:
        with suppress(OSError):
            path.chmod(stat.S_IMODE(wanted))
    return path.stat().st_mode & wanted == wanted
