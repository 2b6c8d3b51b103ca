"""ONNX: one protocol buffer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .....extractor.engines import Network
from .record import ExportFormat, in_batches, metadata_texts

OUTPUT = "probabilities"


def write(model: Any, path: Path, metadata: str) -> None:
    """Export ``model`` with the metadata as properties of the graph."""
    import onnx

    # Keras asks for the shapes of a call; without one it refuses to export to ONNX.
    model.predict_on_batch(np.zeros((1, *model.input_shape[1:]), np.uint8))
    model.export(str(path), format="onnx", verbose=False)
    _save(onnx.load(str(path)), path, metadata)


def join(network: Network, head: Any, path: Path, metadata: str) -> None:
    """Write a backbone that is an ONNX file and a head as one graph."""
    import onnx

    from .....extractor.engines.onnxruntime.graph import pixels_to_vectors

    backbone, (features,) = pixels_to_vectors(network)
    if network.record.path is not None:
        onnx.load_external_data_for_model(backbone, str(network.record.path.parent))
    head.predict_on_batch(np.zeros((1, *head.input_shape[1:]), np.float32))
    head.export(str(path), format="onnx", verbose=False)
    classifier = onnx.compose.add_prefix(onnx.load(str(path)), "head_")
    newest = max(_opset(backbone), _opset(classifier))
    backbone, classifier = (_converted(model, newest) for model in (backbone, classifier))
    classifier.ir_version = backbone.ir_version = max(backbone.ir_version, classifier.ir_version)
    taken = classifier.graph.input[0].name
    joined = onnx.compose.merge_models(backbone, classifier, io_map=[(features, taken)])
    (output,) = joined.graph.output
    named = onnx.helper.make_node("Identity", [output.name], [OUTPUT])
    joined.graph.node.append(named)
    output.name = OUTPUT
    _save(joined, path, metadata)


def _opset(model: Any) -> int:
    versions = [e.version for e in model.opset_import if e.domain in ("", "ai.onnx")]
    return int(max(versions))


def _converted(model: Any, opset: int) -> Any:
    import onnx

    same = _opset(model) == opset
    return model if same else onnx.version_converter.convert_version(model, opset)


def _save(model: Any, path: Path, metadata: str) -> None:
    import onnx

    for key, value in metadata_texts(metadata).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(model, str(path))


def run(path: Path, images: NDArray[np.uint8]) -> NDArray[Any]:
    """Load the file and return its probabilities."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    taken = session.get_inputs()[0]
    return in_batches(
        lambda batch: np.asarray(session.run(None, {taken.name: batch})[0]), images, taken.shape[0]
    )


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
    join={"onnx": join},
)
