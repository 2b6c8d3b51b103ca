"""Manifests on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..format.container import Container, damaged, open_container, write_container
from ..format.strings import StringColumn
from ..manifest import Listing, Manifest

KIND = "manifest"


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write ``manifest`` to ``path`` atomically.

    Raises
    ------
    CacheWriteError
        The file system refused; an older snapshot at ``path`` is untouched.
    """
    listing = manifest.listing
    columns: dict[str, NDArray[Any]] = {
        "sample_ids": listing.sample_ids.data,
        "sample_id_offsets": listing.sample_ids.offsets,
        "digests": manifest.digests,
        "stamps": manifest.stamps,
        "labels": listing.labels,
        "splits": listing.splits,
    }
    if listing.groups is not None:
        columns["groups"] = listing.groups.data
        columns["group_offsets"] = listing.groups.offsets
    if listing.weights is not None:
        columns["weights"] = listing.weights
    attributes: Mapping[str, str | int] = {
        "name": manifest.name,
        "location": json.dumps(manifest.location),
        "class_names": json.dumps(list(listing.class_names)),
        "created_ns": manifest.created_ns,
    }
    write_container(path, KIND, attributes, columns)


def read_manifest(path: Path) -> Manifest:
    """Read the manifest at ``path``.

    Raises
    ------
    CacheFormatError
        The file is damaged, foreign or too new.
    """
    container = open_container(path, KIND)
    try:
        attributes = container.attributes
        groups = None
        if "groups" in container.columns:
            groups = _strings(container, "groups", "group_offsets")
        listing = Listing(
            # Their uniqueness was checked when they were written.
            _strings(container, "sample_ids", "sample_id_offsets", distinct=True),
            container.column("labels"),
            container.column("splits"),
            groups,
            tuple(json.loads(attributes["class_names"])),
            container.column("weights") if "weights" in container.columns else None,
        )
        return Manifest(
            str(attributes["name"]),
            str(json.loads(attributes["location"])),
            listing,
            container.column("digests"),
            container.column("stamps"),
            int(attributes["created_ns"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, f"not a whole manifest ({error})") from error


def read_location(path: Path) -> str:
    """Read where the source of the manifest at ``path`` was, and nothing else of it.

    Raises
    ------
    CacheFormatError
        The file is damaged, foreign or too new.
    """
    container = open_container(path, KIND, keep_open=False)
    try:
        return str(json.loads(container.attributes["location"]))
    except (KeyError, json.JSONDecodeError) as error:
        raise damaged(path, f"not a whole manifest ({error})") from error


def _strings(
    container: Container, data: str, offsets: str, distinct: bool | None = None
) -> StringColumn:
    return StringColumn(container.column(data), container.column(offsets), distinct)
