"""Label snapshots: the samples, labels and splits that models were made with, kept for later."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..layout import MANIFEST_SUFFIX, Layout
from ..manifest import Manifest
from .manifest_file import read_manifest, write_manifest

NAME_DIGITS = 24


def keep_labels(layout: Layout, manifest: Manifest) -> None:
    """Keep the labels of ``manifest``, where they are not kept yet.

    Raises
    ------
    CacheWriteError
        The file system refused.
    """
    path = layout.labels(manifest.name) / _file_name(manifest.data_digest)
    if not path.exists():
        write_manifest(path, replace(manifest, stamps=np.zeros_like(manifest.stamps)))


def find_labels(layout: Layout, data_digest: str) -> Manifest | None:
    """Return the manifest with this digest, or None where the cache does not keep it.

    Raises
    ------
    CacheFormatError
        It is damaged.
    """
    for path in layout.label_paths():
        if path.name == _file_name(data_digest):
            return read_manifest(path)
    return None


def _file_name(data_digest: str) -> str:
    return f"{data_digest[:NAME_DIGITS]}{MANIFEST_SUFFIX}"
