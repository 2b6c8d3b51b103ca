"""TensorFlow's SavedModel: a folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .record import METADATA, ExportFormat

EXTRA = "assets.extra"
# All files that TensorFlow writes, and the metadata.
OWN_FILE = re.compile(
    rf"(saved_model|fingerprint|keras_metadata)\.pb|variables/variables\..*|{EXTRA}/{METADATA}"
)


def write(model: Any, path: Path, metadata: str) -> None:
    """Export ``model``; the metadata is one of its extra assets."""
    model.export(str(path), format="tf_saved_model", verbose=False)
    extra = path / EXTRA
    extra.mkdir(exist_ok=True)
    (extra / METADATA).write_text(metadata, encoding="utf-8")


def run(path: Path, images: NDArray[np.uint8]) -> NDArray[Any]:
    """Load the folder and return its probabilities."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    return np.asarray(loaded.serve(images))


def is_own(path: Path) -> bool:
    """Return whether the folder holds the metadata, and nothing but what TensorFlow writes."""
    files = [entry for entry in path.rglob("*") if not entry.is_dir() or entry.is_symlink()]
    names = [file.relative_to(path).as_posix() for file in files]
    return f"{EXTRA}/{METADATA}" in names and all(map(OWN_FILE.fullmatch, names))


FORMAT = ExportFormat(
    name="savedmodel", ending="", modules=("tensorflow",), write=write, run=run, is_own=is_own
)
