"""Make a cache, for one user or for a group."""

from __future__ import annotations

import grp
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import CacheWriteError, ConfigError
from ..format.atomic import write_text
from ..format.sharing import CONFIG, GROUP, SHARED, is_shared, open_to_group
from ..format.version import stamped
from ..places.remote_path import RemotePath
from ..store import FeatureStore
from ..suggest import did_you_mean


@dataclass(frozen=True)
class InitReport:
    """What ``init`` made.

    Attributes
    ----------
    root : str
    is_new : bool
        Whether there was no cache before.
    group : str
        Whose members may read and write; empty where the cache is not shared.
    members : list of str
        Users who have the group as a further group; those who have it as their own are not known.
    not_opened : list of str
        Files of a cache that was there before, which belong to others: only they can open them.
    """

    root: str
    is_new: bool
    group: str = ""
    members: list[str] = field(default_factory=list)
    not_opened: list[str] = field(default_factory=list)


def init(store: FeatureStore, shared: bool = False, group: str | None = None) -> InitReport:
    """Make an empty cache, or share one that is there.

    In a shared cache all folders and files are readable and writable for the group of the cache's
    folder, whoever writes them with whatever umask.

    Parameters
    ----------
    store : FeatureStore
    shared : bool
    group : str, optional
        Name of the group; by default that of the folder.

    Raises
    ------
    ConfigError
        There is no such group, or this user may not give the folder to it.
    CacheWriteError
        The folder cannot be made or changed.
    """
    root = store.root
    if isinstance(root, RemotePath):
        raise ConfigError(
            f"{root} needs no `featx cache init`: the first command that writes makes the cache. "
            "Who may read and write there, the server's own permissions say"
        )
    is_new = store.is_new
    group_id = None if group is None else _group_id(group)
    store.make_root()
    if not shared and not is_shared(root):
        return InitReport(str(root), is_new)
    if group_id is not None:
        _give(root, group_id)
    if not open_to_group(root):
        raise CacheWriteError(
            f"cannot share {root}: the folder belongs to {_owner(root)}, who can: "
            "featx cache init --shared"
        )
    write_text(root / CONFIG, json.dumps(stamped({SHARED: GROUP})) + "\n")
    group_id = root.stat().st_gid
    not_opened = [str(path) for path in _contents(root) if not _open(path, group_id)]
    record = _record(group_id)
    name, members = (record.gr_name, list(record.gr_mem)) if record else (str(group_id), [])
    return InitReport(str(root), is_new, name, members, not_opened)


def _contents(root: Path) -> Iterator[Path]:
    """Yield all folders and files of a cache; links are not followed."""
    for folder, folders, files in os.walk(root):
        paths = (Path(folder) / name for name in (*folders, *files))
        yield from (path for path in paths if not path.is_symlink())


def _open(path: Path, group_id: int) -> bool:
    with suppress(ConfigError):
        _give(path, group_id)
    return open_to_group(path) and path.stat().st_gid == group_id


def _group_id(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError as error:
        names = [record.gr_name for record in grp.getgrall()]
        raise ConfigError(f"there is no group {name!r}. {did_you_mean(name, names)}") from error


def _record(group_id: int) -> grp.struct_group | None:
    try:
        return grp.getgrgid(group_id)
    except KeyError:
        return None


def _give(path: Path, group_id: int) -> None:
    if path.stat().st_gid == group_id:
        return
    try:
        os.chown(path, -1, group_id)
    except OSError as error:
        record = _record(group_id)
        name = record.gr_name if record else group_id
        raise ConfigError(
            f"{path} cannot be given to the group {name} ({error.strerror or error}). Its owner "
            "must be a member of the group"
        ) from error


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except KeyError:
        return f"the user {path.stat().st_uid}"
