"""What the control groups of this process leave it: a container's share of cores and memory.

Both versions are read as the kernel's documentation describes them (cgroup-v1/memory.rst,
scheduler/sched-bwc.rst, cgroup-v2.rst). A limit of any group on the way up counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

STANDARD_MOUNTS = ("sys/fs/cgroup", "sys/fs/cgroup/cpu", "sys/fs/cgroup/memory")
"""Where control groups lie if the system does not say so."""


@dataclass(frozen=True)
class _Mount:
    """A mounted hierarchy of control groups.

    Attributes
    ----------
    folder : Path
    group : str
        The group that ``folder`` shows.
    controllers : frozenset of str
        Empty for version 2, which has one hierarchy for all.
    """

    folder: Path
    group: str
    controllers: frozenset[str]


def cpu_quota(root: Path) -> float:
    """Return how many cores' time this process may take; infinite where nothing limits it.

    Parameters
    ----------
    root : Path
        The folder that holds ``proc`` and ``sys``.
    """
    return min(map(_quota, _groups("cpu", root)), default=math.inf)


def free_memory(root: Path) -> float:
    """Return the bytes that this process may still take; infinite where nothing limits it."""
    return min(map(_free_memory, _groups("memory", root)), default=math.inf)


def _quota(group: Path) -> float:
    """Return a group's quota in cores."""
    text = _read(group / "cpu.max") or " ".join(
        _read(group / f"cpu.cfs_{name}_us") for name in ("quota", "period")
    )
    quota, _, period = text.partition(" ")
    n_cores = _number(quota) / (_number(period) or math.inf)
    # Of two infinite numbers, or where the quota is -1, nothing is limited.
    return n_cores if n_cores > 0 and math.isfinite(n_cores) else math.inf


def _free_memory(group: Path) -> float:
    """Return a group's limit less what it uses; pages of files that can be dropped are free."""
    limits = [
        _number(_read(group / name))
        for name in ("memory.max", "memory.high", "memory.limit_in_bytes")
    ]
    used = _read(group / "memory.current") or _read(group / "memory.usage_in_bytes")
    statistics = dict(line.split()[:2] for line in _read(group / "memory.stat").splitlines())
    droppable = statistics.get("total_inactive_file") or statistics.get("inactive_file", "0")
    n_used = _number(used) - _number(droppable) if used else 0
    return max(0.0, min(limits) - max(0.0, n_used))


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """Yield the folders of the groups that this process is in, from its own to the outermost."""
    groups = _own_groups(root)
    for mount in _mounts(root):
        if mount.controllers and controller not in mount.controllers:
            continue
        group = PurePosixPath(groups.get(controller if mount.controllers else "", "/"))
        # Without a namespace of its own a container sees its group's path, but only its subtree.
        inside = group.is_relative_to(mount.group) and ".." not in group.parts
        folder = mount.folder / (group.relative_to(mount.group) if inside else "")
        yield folder
        yield from (f for f in folder.parents if f.is_relative_to(mount.folder))


def _own_groups(root: Path) -> dict[str, str]:
    """Return the path of this process' group for each controller; version 2 is the empty name."""
    groups: dict[str, str] = {}
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        groups |= dict.fromkeys(controllers.split(","), path)
    return groups


def _mounts(root: Path) -> Iterator[_Mount]:
    lines = _read(root / "proc/self/mountinfo").splitlines()
    if not lines:
        yield from (_Mount(root / path, "/", frozenset()) for path in STANDARD_MOUNTS)
    for line in lines:
        # proc(5): id, parent, device, root, mount point, options … - type, source, super options
        fields, _, types = line.partition(" - ")
        kind, *_, options = types.split(" ")
        if kind in ("cgroup", "cgroup2"):
            group, folder = (_unescaped(field) for field in fields.split(" ")[3:5])
            controllers = frozenset(options.split(",")) if kind == "cgroup" else frozenset()
            yield _Mount(root / folder.lstrip("/"), group, controllers)


def _unescaped(path: str) -> str:
    """Return a path of ``mountinfo``, which writes blanks as ``\\040``."""
    return path.encode("latin-1", "backslashreplace").decode("unicode_escape")


def _number(text: str) -> float:
    """Return a limit; infinite for ``max`` and for a file that is not there."""
    try:
        return float(text)
    except ValueError:
        return math.inf


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
