"""What featx knows of one format that a model can leave in."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

METADATA = "featx.json"


@dataclass(frozen=True, kw_only=True)
class ExportFormat:
    """One format.

    Attributes
    ----------
    name, ending : str
        ``ending`` is empty where the result is a folder.
    modules : tuple of str
        What must be installed.
    write : callable
        Takes the Keras model, a path and the metadata as JSON text.
    run : callable
        Takes a path and uint8 images, returns probabilities; as any user of the format runs it.
    is_own : callable
        Says whether what is at a path is an export of featx, by its metadata.
    beside : tuple of str
        Endings of further files that are written with the first.
    """

    name: str
    ending: str
    modules: tuple[str, ...] = ()
    write: Callable[[Any, Path, str], None]
    run: Callable[[Path, NDArray[np.uint8]], NDArray[Any]]
    is_own: Callable[[Path], bool]
    beside: tuple[str, ...] = ()


def metadata_texts(metadata: str) -> dict[str, str]:
    """Return the metadata's entries as texts; what is no text stays JSON."""
    entries = json.loads(metadata)
    return {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in entries.items()
    }


def zip_has_metadata(path: Path) -> bool:
    """Return whether a zip, or a zip behind another file, holds the metadata."""
    try:
        with zipfile.ZipFile(path) as archive:
            return METADATA in archive.namelist()
    except zipfile.BadZipFile:
        return False
