"""What featx knows of one format that a model can leave in."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .....extractor.backbones.record import KERAS_FORMAT
from .....extractor.engines import Network

METADATA = "featx.json"
Join = Callable[[Network, Any, Path, str], None]


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
    join : mapping of str to callable
        For a format of backbones that are graphs in files: takes the network, the head as a Keras
        model from features to probabilities, a path and the metadata, and writes both as one graph.
    """

    name: str
    ending: str
    modules: tuple[str, ...] = ()
    write: Callable[[Any, Path, str], None]
    run: Callable[[Path, NDArray[np.uint8]], NDArray[Any]]
    is_own: Callable[[Path], bool]
    beside: tuple[str, ...] = ()
    join: Mapping[str, Join] = field(default_factory=dict)

    def takes(self, backbone_format: str) -> bool:
        """Tell whether models with backbones of a format can leave in this one."""
        return backbone_format == KERAS_FORMAT or backbone_format in self.join


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


def in_batches(
    run: Callable[[NDArray[np.uint8]], NDArray[Any]], images: NDArray[np.uint8], batch: object
) -> NDArray[Any]:
    """Run images in batches of the size that a graph fixes; all at once where it fixes none."""
    if not isinstance(batch, int):
        return run(images)
    n_missing = -len(images) % batch
    padded = np.concatenate([images, np.zeros((n_missing, *images.shape[1:]), np.uint8)])
    parts = [run(padded[i : i + batch]) for i in range(0, len(padded), batch)]
    return np.concatenate(parts)[: len(images)]
