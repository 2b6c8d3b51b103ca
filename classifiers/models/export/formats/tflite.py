"""TensorFlow Lite: one flat buffer with built-in operations only."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .record import METADATA, ExportFormat, zip_has_metadata


def write(model: Any, path: Path, metadata: str) -> None:
    """Export ``model``; as TensorFlow Lite Metadata does, files go into a zip behind it."""
    model.export(str(path), format="litert", verbose=False)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(METADATA, metadata)
        archive.writestr("labels.txt", "\n".join(json.loads(metadata)["labels"]) + "\n")


def run(path: Path, images: NDArray[np.uint8]) -> NDArray[Any]:
    """Load the file and return its probabilities."""
    interpreter = _interpreter()(str(path))
    entry = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(entry, images.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(entry, images)
    interpreter.invoke()
    return np.array(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


def _interpreter() -> Any:
    """Return TensorFlow Lite's interpreter, from its new package or from TensorFlow."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tensorflow import lite

        return lite.Interpreter
    return Interpreter


FORMAT = ExportFormat(
    name="tflite",
    ending=".tflite",
    modules=("tensorflow",),
    write=write,
    run=run,
    is_own=zip_has_metadata,
)
