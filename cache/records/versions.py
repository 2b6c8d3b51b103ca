"""The format version that every JSON record of the cache carries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import NewerFormatError
from ..spec import FORMAT_VERSION


def stamped(record: dict[str, Any]) -> dict[str, Any]:
    """Return ``record`` with the format version."""
    return {"format_version": FORMAT_VERSION, **record}


def check_version(path: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Return ``record`` without its format version.

    Raises
    ------
    NewerFormatError
        A newer featx wrote it.
    KeyError
        There is no version.
    """
    version = int(record.pop("format_version"))
    if version > FORMAT_VERSION:
        raise NewerFormatError(
            f"{path}: written by a newer featx (format {version}, this version reads up to "
            f"{FORMAT_VERSION}): upgrade featx"
        )
    return record
