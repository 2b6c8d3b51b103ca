"""ONNX: one protocol buffer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .record import ExportFormat, metadata_texts


def write(model: Any, path: Path, metadata: str) -> None:
    """Export ``model`` with the metadata as properties of the graph."""
    import onnx

    # Keras asks for the shapes of a call; without one it refuses to export to ONNX.
    model.predict_on_batch(np.zeros((1, *model.input_shape[1:]), np.uint8))
    model.export(str(path), format="onnx", verbose=False)
    graph = onnx.load(str(path))
    for key, value in metadata_texts(metadata).items():
        entry = graph.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(graph, str(path))


def run(path: Path, images: NDArray[np.uint8]) -> NDArray[Any]:
    """Load the file and return its probabilities."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: images})[0])


def is_own(path: Path) -> bool:
    """Return whether the file is a graph with featx' version among its properties."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        graph = onnx.load(str(path), load_external_data=False)
    except DecodeError:
        return False
    return any(entry.key == "featx" for entry in graph.metadata_props)


FORMAT = ExportFormat(
    name="onnx",
    ending=".onnx",
    modules=("tf2onnx", "onnx", "onnxruntime"),
    write=write,
    run=run,
    is_own=is_own,
)
