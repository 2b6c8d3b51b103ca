"""The version of the file format: of HDF5 files and of JSON records alike.

It says how bytes lie in a file. It is no part of a fingerprint: features and models outlive a new
file format. A ``FeatureSpec`` has a version of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import NewerFormatError

FORMAT_VERSION = 1


def stamped(record: dict[str, Any]) -> dict[str, Any]:
    """Return ``record`` with the format version."""
    return {"format_version": FORMAT_VERSION, **record}


def without_version(path: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Return ``record``, read from ``path``, without its format version.

    Raises
    ------
    NewerFormatError
        A newer featx wrote it.
    KeyError
        There is no version.
    """
    check_version(path, int(record.pop("format_version")))
    return record


def check_version(path: Path, version: int) -> None:
    """Raise NewerFormatError where the file at ``path`` has a version that is not known yet."""
    if version > FORMAT_VERSION:
        raise NewerFormatError(
            f"{path}: written by a newer featx (format {version}, this version reads up to "
            f"{FORMAT_VERSION}): upgrade featx"
        )
