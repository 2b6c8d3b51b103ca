"""OpenVINO's intermediate representation: the graph in XML, the weights in a file beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .....extractor.engines import Network
from .record import ExportFormat, in_batches, metadata_texts

WEIGHTS = ".bin"
OUTPUT = "probabilities"
TAIL_BYTES = 1 << 20


def write(model: Any, path: Path, metadata: str) -> None:
    """Export ``model`` with float32 weights and the metadata as runtime information."""
    from .....extractor.engines.openvino.from_keras import to_openvino

    _save(to_openvino(model), path, metadata)


def join(network: Network, head: Any, path: Path, metadata: str) -> None:
    """Write a backbone that is a graph in a file and a head as one graph."""
    import openvino

    from .....extractor.engines.openvino.from_graph import convert_graph
    from .....extractor.engines.openvino.from_keras import to_openvino

    backbone, classifier = convert_graph(network), to_openvino(head)
    features = backbone.outputs[0].get_node().input_value(0)
    classifier.get_parameters()[0].output(0).replace(features)
    joined = openvino.Model(classifier.get_results(), backbone.get_parameters(), "featx_model")
    joined.outputs[0].tensor.set_names({OUTPUT})
    _save(joined, path, metadata)


def _save(graph: Any, path: Path, metadata: str) -> None:
    from .....extractor.engines.openvino.from_keras import save

    for key, value in metadata_texts(metadata).items():
        graph.set_rt_info(value, ["featx", key])
    # Half-precision constants would move probabilities by more than featx promises.
    save(graph, path)


def run(path: Path, images: NDArray[np.uint8]) -> NDArray[Any]:
    """Compile the graph for float32 and return its probabilities."""
    import openvino

    options = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(str(path), "CPU", options)
    side = compiled.input(0).get_partial_shape()[0]
    batch = None if side.is_dynamic else side.get_length()
    return in_batches(lambda images: np.asarray(compiled(images)[0]), images, batch)


def is_own(path: Path) -> bool:
    """Return whether the file is a graph whose runtime information, its end, names featx."""
    with path.open("rb") as file:
        head = file.read(256)
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return b"<net " in head and b"<featx>" in file.read()


FORMAT = ExportFormat(
    name="openvino",
    ending=".xml",
    modules=("openvino",),
    write=write,
    run=run,
    is_own=is_own,
    beside=(WEIGHTS,),
    join={"onnx": join, "openvino": join},
)
