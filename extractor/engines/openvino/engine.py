"""The OpenVINO engine: converted once, then neither Keras nor its backend is loaded again."""

from __future__ import annotations

import queue
import threading
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base import Network
from ..model_folder import ModelFolder, model_folder
from .batch_split import split_front
from .convert import convert
from .input_fusion import normalise_in_rows
from .openvino_import import import_openvino
from .rounding import diffuse_to_bfloat16

HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
COMPILED = "compiled"
FIRST_USE = threading.Lock()


class OpenVinoEngine:
    """Runs a network on the CPU through OpenVINO.

    The compiler folds normalisation and batch norms into the convolutions; several streams run side
    by side, so that a thread that decodes an image does not make all others wait. In bfloat16,
    depthwise kernels are rounded so that their sums stay (see ``rounding``).

    Parameters
    ----------
    network : Network
    precision : str
    batch_size : int

    Raises
    ------
    UnknownBackboneError, WeightsMismatchError, BackboneError, CacheWriteError
        The network cannot be built, converted or kept.
    """

    def __init__(self, network: Network, precision: str, batch_size: int) -> None:
        folder = model_folder(network)
        if not folder.is_there:
            convert(network, folder)
        self.name = f"openvino/{version('openvino')}"
        self.precision = precision
        self.batch_size = batch_size
        compiled = _compile(folder, network, precision, batch_size)
        self.n_parallel = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self._n_outputs = len(network.outputs)
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(self.n_parallel):
            self._requests.put(compiled.create_infer_request())

    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
        """Return one float32 array ``(batch_size, d)`` for each output."""
        request = self._requests.get()
        try:
            results = request.infer([images], share_inputs=True)
            return tuple(np.array(results[i], np.float32) for i in range(self._n_outputs))
        finally:
            self._requests.put(request)


def _compile(folder: ModelFolder, network: Network, precision: str, batch_size: int) -> Any:
    with FIRST_USE:
        core = import_openvino().Core()
        _use_once(core)
    core.set_property({"CACHE_DIR": str(folder.path / COMPILED)})
    model = core.read_model(folder.model)
    if precision == "bfloat16":
        _round_depthwise(model)
    keep_outputs(model, len(network.outputs))
    model.reshape([batch_size, *network.image_size, 3])
    normalise_in_rows(model)
    split_front(model)
    _number(model)
    hints = {"INFERENCE_PRECISION_HINT": HINTS[precision], "PERFORMANCE_HINT": "THROUGHPUT"}
    return core.compile_model(model, "CPU", hints)


def keep_outputs(model: Any, n_outputs: int) -> None:
    """Remove all outputs of ``model`` but the first ``n_outputs``.

    TensorFlow's converter makes outputs of what an activation with a gradient of its own keeps for
    it: 49 maps of EfficientNet-B0, whose writing takes three quarters of its time.
    """
    for result in model.get_results()[n_outputs:]:
        model.remove_result(result)


def _number(model: Any) -> None:
    """Name all operations by their places.

    OpenVINO's cache of compiled models asks for names, too, and those of new operations count on
    from all that the process has made before.
    """
    for place, node in enumerate(model.get_ordered_ops()):
        node.set_friendly_name(f"{node.get_type_name()}_{place}")


def _use_once(core: Any) -> None:
    """Run a trivial model in this thread.

    The first use of OpenVINO's Python layer sets up C++ statics under the interpreter's lock; two
    threads that do it at once wait for each other for ever (seen with 2026.4: one in call_once of
    pybind11's NumPy interface, the other in its static guard).
    """
    import openvino
    from openvino import opset13

    number = opset13.parameter([1], np.uint8)
    request = core.compile_model(openvino.Model([number], [number], "once"), "CPU")
    np.array(request.create_infer_request().infer([np.zeros(1, np.uint8)], share_inputs=True)[0])


def _round_depthwise(model: Any) -> None:
    from openvino import opset13

    for node in model.get_ordered_ops():
        if node.get_type_name() != "GroupConvolution":
            continue
        weights = node.input_value(1).get_node()
        if weights.get_type_name() == "Constant":
            kernels = np.asarray(weights.data, np.float32)
            rows = kernels.reshape(kernels.shape[0] * kernels.shape[1], -1)
            rounded = diffuse_to_bfloat16(rows).reshape(kernels.shape)
            constant = opset13.constant(rounded, name=weights.get_friendly_name())
            node.input(1).replace_source_output(constant.output(0))
