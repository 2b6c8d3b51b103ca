"""The version of the file format: of HDF5 files and of JSON records alike.

It says how bytes lie in a file. It is no part of a fingerprint: features and models outlive a new
file format. A ``FeatureSpec`` has a version of its own.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from ..errors import NewerFormatError

FORMAT_VERSION = 1
SHOWN_FIELDS = 5


def stamped(record: dict[str, Any]) -> dict[str, Any]:
    """Return ``record`` with the format version."""
    return {"format_version": FORMAT_VERSION, **record}


def without_version(path: Path, record: dict[str, Any], kind: Any = None) -> dict[str, Any]:
    """Return ``record``, read from ``path``, without its format version.

    Parameters
    ----------
    path : Path
    record : dict
        JSON types.
    kind : dataclass, optional
        What the record becomes: it has no other fields.

    Raises
    ------
    NewerFormatError
        A newer featx wrote it.
    KeyError
        There is no version.
    """
    check_version(path, int(record.pop("format_version")))
    if kind is not None:
        check_fields(path, record, kind)
    return record


def check_fields(path: Path, record: dict[str, Any], kind: Any) -> None:
    """Raise NewerFormatError where a record has fields that the dataclass ``kind`` has not."""
    unknown = record.keys() - {field.name for field in fields(kind)}
    if unknown:
        raise NewerFormatError(
            f"{path}: written by a newer featx (it has fields {sorted(unknown)[:SHOWN_FIELDS]}, "
            "which this version does not know): upgrade featx"
        )


def check_version(path: Path, version: int) -> None:
    """Raise NewerFormatError where the file at ``path`` has a version that is not known yet."""
    if version > FORMAT_VERSION:
        raise NewerFormatError(
            f"{path}: written by a newer featx (format {version}, this version reads up to "
            f"{FORMAT_VERSION}): upgrade featx"
        )
