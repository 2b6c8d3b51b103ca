"""The OpenVINO engine: converted once, then neither Keras nor its backend is loaded again."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache import PRECISIONS
from ....cache.errors import ConversionError
from ...backbones.record import KERAS_FORMAT
from ...machine.hardware import Hardware, thread_limit
from ...precision.drift import Drift
from ..base import CPU_BATCHES, EngineRecord, Network
from ..model_folder import ModelFolder, model_folder
from .compiled import compiled_path, load_compiled, save_compiled
from .convert import ensure_converted
from .exact_layers import choose_exact_layers, convolutions, measured_drift, read_with_exact
from .openvino_import import import_openvino
from .rewrites.batch_split import split_batch
from .rewrites.input_fusion import fuse_input
from .rewrites.rounding import diffuse_to_bfloat16
from .rewrites.used_tokens import select_used_tokens

HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
NEEDED_FLAGS = {"bfloat16": "avx512bw", "float16": "avx512_fp16"}
"""The instruction set without which OpenVINO computes in float32 whatever it is asked for."""

FIRST_USE = threading.Lock()


class OpenVinoEngine:
    """Runs a network on the CPU through OpenVINO.

    The compiler folds normalisation and batch norms into the convolutions. Several streams run side
    by side, so that a thread that decodes an image holds up one of them only. In bfloat16,
    depthwise kernels are rounded so that their sums stay (see ``rounding``), and the first layers
    stay in float32 where that is needed (see ``exact_layers``).

    Parameters
    ----------
    network : Network
    precision : str
    batch_size : int
    n_exact : int, optional
        How many of the first convolutions stay in float32; by default what suits the network.

    Raises
    ------
    UnknownBackboneError, WeightsMismatchError, BackboneError, CacheWriteError
        The network cannot be built, converted or kept.
    """

    def __init__(
        self, network: Network, precision: str, batch_size: int, n_exact: int | None = None
    ) -> None:
        if n_exact is None:
            n_exact = _n_exact(network, precision)
        self.name = f"openvino/{version('openvino')}"
        self.kind = OPENVINO.name
        self.on_accelerator = False
        self.precision = precision
        compiled = _compile(network, precision, batch_size, n_exact)
        _check_precision(compiled, precision)
        self.batch_size = int(compiled.input(0).get_shape()[0])  # a graph may fix it
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


def _n_exact(network: Network, precision: str) -> int:
    if precision != "bfloat16":
        return 0

    def build(name: str, n_exact: int) -> OpenVinoEngine:
        return OpenVinoEngine(network, name, CPU_BATCHES.default, n_exact)

    return choose_exact_layers(network, model_folder(network), build)


def _compile(network: Network, precision: str, batch_size: int, n_exact: int) -> Any:
    """Return the network compiled for this processor, from a file of an earlier run if possible."""
    folder = model_folder(network)
    folder.mark_used(network)
    with FIRST_USE:
        core = import_openvino().Core()
        _use_once(core)
    options = {"INFERENCE_PRECISION_HINT": HINTS[precision], "PERFORMANCE_HINT": "THROUGHPUT"}
    if limit := thread_limit():
        options["INFERENCE_NUM_THREADS"] = str(limit)
        # Each process would tie its threads to the first cores, however many processes there are.
        options["ENABLE_CPU_PINNING"] = "NO"
    path = compiled_path(folder.path, precision, batch_size, n_exact)
    compiled = load_compiled(core, path, options) if folder.is_there else None
    if compiled is not None:
        return compiled
    ensure_converted(network, folder)
    model = _read(core, folder, n_exact)
    if precision == "bfloat16":
        _round_depthwise(convolutions(model)[n_exact:])
    n_images = model.input(0).get_partial_shape()[0]
    fixed = batch_size if n_images.is_dynamic else n_images.get_length()
    model.reshape([fixed, *network.image_size, 3])
    select_used_tokens(model)
    fuse_input(model)
    split_batch(model)
    compiled = core.compile_model(model, "CPU", options)
    save_compiled(compiled, path)
    return compiled


def _read(core: Any, folder: ModelFolder, n_exact: int) -> Any:
    try:
        return read_with_exact(core, folder, n_exact)
    except RuntimeError as error:  # written by a newer OpenVINO
        reason = str(error).strip().splitlines()[-1][:200]
        raise ConversionError(
            f"OpenVINO {version('openvino')} cannot read the converted network in {folder.path} "
            f"({reason}). Upgrade it: pip install -U openvino"
        ) from error


def _check_precision(compiled: Any, precision: str) -> None:
    """Refuse an engine that would compute in another format than it says."""
    actual = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    if actual != HINTS[precision]:
        raise ConversionError(
            f"OpenVINO computes in {actual} on this processor, not in {precision}: use --precision "
            "float32, or --engine keras, which is slower"
        )


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


def _round_depthwise(nodes: Sequence[Any]) -> None:
    from openvino import opset13

    for node in nodes:
        if node.get_type_name() != "GroupConvolution":
            continue
        weights = node.input_value(1).get_node()
        if weights.get_type_name() == "Constant":
            kernels = np.asarray(weights.data, np.float32)
            rows = kernels.reshape(kernels.shape[0] * kernels.shape[1], -1)
            rounded = diffuse_to_bfloat16(rows).reshape(kernels.shape)
            constant = opset13.constant(rounded, name=weights.get_friendly_name())
            node.input(1).replace_source_output(constant.output(0))


def _measured_drift(network: Network, precision: str) -> Drift | None:
    return measured_drift(model_folder(network)) if precision == "bfloat16" else None


def _precisions(machine: Hardware) -> tuple[str, ...]:
    if not machine.flags:  # unknown: OpenVINO itself is asked once a network is compiled
        return PRECISIONS
    return tuple(p for p in PRECISIONS if NEEDED_FLAGS.get(p) in (None, *machine.flags))


OPENVINO = EngineRecord(
    name="openvino",
    requirement="openvino",
    why="the fastest on x86 processors",
    build=OpenVinoEngine,
    runs_on=lambda machine: machine.is_x86,
    precisions=_precisions,
    fast_precisions=lambda machine: machine.fast_formats,
    batch_sizes=lambda machine: CPU_BATCHES,
    converts=True,
    formats=(KERAS_FORMAT, "onnx", "openvino"),
    measured_drift=_measured_drift,
)
