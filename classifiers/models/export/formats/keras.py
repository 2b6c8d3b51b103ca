"""Keras' own format: a zip of the configuration and the weights."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .record import METADATA, ExportFormat, zip_has_metadata


def write(model: Any, path: Path, metadata: str) -> None:
    """Save ``model``; the metadata is one more member of the zip."""
    model.save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(METADATA, metadata)


def run(path: Path, images: NDArray[np.uint8]) -> NDArray[Any]:
    """Load the file and return its probabilities."""
    import keras

    return np.asarray(keras.saving.load_model(path, compile=False).predict_on_batch(images))


FORMAT = ExportFormat(name="keras", ending=".keras", write=write, run=run, is_own=zip_has_metadata)
