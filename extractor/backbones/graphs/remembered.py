"""Where this machine has backbones in files: under the names people gave, and by their digests."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ....cache.errors import CacheWriteError
from ....cache.format.atomic import write_text
from ....cache.places.home import featx_home, writable_home

NAMES = "backbones.json"
USED = "backbones"


@dataclass(frozen=True)
class NamedBackbone:
    """A backbone in files under a name of one's own.

    Attributes
    ----------
    path : str
    preprocess : str or None
        As ``--preprocess`` takes it; None where the files say it.
    """

    path: str
    preprocess: str | None = None


def machine_names() -> dict[str, NamedBackbone]:
    """Return the names that were given on this machine."""
    entries = _read(featx_home() / NAMES)
    return {
        name: NamedBackbone(str(entry["path"]), entry.get("preprocess"))
        for name, entry in entries.items()
        if isinstance(entry, dict) and "path" in entry
    }


def add_machine_name(name: str, backbone: NamedBackbone) -> Path:
    """Keep a name on this machine; return the file that holds it.

    Raises
    ------
    CacheWriteError
        The file cannot be written.
    """
    path = writable_home() / NAMES
    entries = _read(path) | {name: asdict(backbone)}
    write_text(path, json.dumps(entries, indent=1, sort_keys=True) + "\n")
    return path


def remember(digest: str, path: Path) -> None:
    """Keep where a backbone lies, so that its models find it; a failure only costs an option."""
    with suppress(CacheWriteError):
        note = writable_home() / USED / f"{digest}.json"
        if _read(note).get("path") != str(path.absolute()):
            write_text(note, json.dumps({"path": str(path.absolute())}) + "\n")


def recall(digest: str) -> Path | None:
    """Return where a backbone was when it was last used here; None where it is no more."""
    path = Path(str(_read(featx_home() / USED / f"{digest}.json").get("path", "")))
    return path if path.name and path.exists() else None


def _read(path: Path) -> dict[str, Any]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return entries if isinstance(entries, dict) else {}
