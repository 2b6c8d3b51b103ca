"""OpenVINO's intermediate representation: the graph in XML, the weights in a file beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .record import ExportFormat, metadata_texts

WEIGHTS = ".bin"
TAIL_BYTES = 1 << 20


def write(model: Any, path: Path, metadata: str) -> None:
    """Export ``model`` with float32 weights and the metadata as runtime information."""
    from .....extractor.engines.openvino.from_keras import save, to_openvino

    graph = to_openvino(model)
    for key, value in metadata_texts(metadata).items():
        graph.set_rt_info(value, ["featx", key])
    # Half-precision constants would move probabilities by more than featx promises.
    save(graph, path)


def run(path: Path, images: NDArray[np.uint8]) -> NDArray[Any]:
    """Compile the graph for float32 and return its probabilities."""
    import openvino

    options = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(str(path), "CPU", options)
    return np.asarray(compiled(images)[0])


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
)
