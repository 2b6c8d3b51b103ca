"""The ONNX Runtime engine: ONNX files on processors without OpenVINO, and on NVIDIA GPUs."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache.errors import ConversionError
from ...machine.hardware import Hardware
from ...machine.versions import installed_versions
from ..base import CPU_BATCHES, GPU_BATCHES, BatchSizes, EngineRecord, Network, wrong_size
from .graph import pixels_to_vectors, session_options

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
PACKAGES = ("onnxruntime-gpu", "onnxruntime")
IN_FLIGHT = 2


class OnnxRuntimeEngine:
    """Runs a graph in an ONNX file in float32, on a GPU where the package and a driver allow it.

    Parameters
    ----------
    network : Network
    precision : str
        ``float32``.
    batch_size : int

    Raises
    ------
    ConversionError, WeightsMismatchError, UnknownBackboneError
        The graph cannot be run so.
    """

    def __init__(self, network: Network, precision: str, batch_size: int) -> None:
        self.kind, self.precision = ONNXRUNTIME.name, precision
        session = _open(network)
        provider = session.get_providers()[0]
        self.on_accelerator = provider == CUDA
        self.name = f"onnxruntime/{_version()}" + (" on cuda" if self.on_accelerator else "")
        self.n_parallel = IN_FLIGHT if self.on_accelerator else 1
        self._session = session
        batch = session.get_inputs()[0].shape[0]
        self.batch_size = batch if isinstance(batch, int) else batch_size
        if not self._gives_rows(network):
            self.batch_size = 1  # some exports mix the images of a batch
            if not self._gives_rows(network):
                name = network.record.name
                raise ConversionError(f"{name} does not give one vector for each image")

    def _gives_rows(self, network: Network) -> bool:
        """Tell whether a batch gives as many rows; refuse images of a wrong size."""
        images = np.zeros((self.batch_size, *network.image_size, 3), np.uint8)
        try:
            return all(len(output) == self.batch_size for output in self.run(images))
        except Exception as error:
            if self.batch_size > 1:
                return False
            raise wrong_size(network, str(error).strip().splitlines()[0]) from error

    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
        """Return one float32 array ``(batch_size, d)`` for each output."""
        outputs = self._session.run(None, {self._session.get_inputs()[0].name: images})
        return tuple(np.asarray(output, np.float32) for output in outputs)


def accelerators() -> list[str]:
    """Return ``cuda`` where ONNX Runtime is installed in the package for NVIDIA GPUs."""
    if not find_spec(ONNXRUNTIME.requirement):
        return []
    import onnxruntime

    return ["cuda"] if CUDA in onnxruntime.get_available_providers() else []


def _open(network: Network) -> Any:
    import onnxruntime

    model, _ = pixels_to_vectors(network)
    # TF32 would round the inputs of products to 10 bits.
    on_gpu = [(CUDA, {"use_tf32": "0"})] if accelerators() else []
    try:
        return onnxruntime.InferenceSession(
            model.SerializeToString(), session_options(network), providers=[*on_gpu, CPU]
        )
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise ConversionError(
            f"ONNX Runtime cannot load {network.record.name} ({reason})"
        ) from error


def _version() -> str:
    return next(iter(installed_versions(PACKAGES).values()), "")


def _batch_sizes(machine: Hardware) -> BatchSizes:
    return GPU_BATCHES if machine.gpus else CPU_BATCHES


ONNXRUNTIME = EngineRecord(
    name="onnxruntime",
    requirement="onnxruntime",
    why="runs ONNX files where OpenVINO does not",
    build=OnnxRuntimeEngine,
    runs_on=lambda machine: True,
    precisions=lambda machine: ("float32",),
    fast_precisions=lambda machine: (),
    batch_sizes=_batch_sizes,
    accelerators=accelerators,
    formats=("onnx",),
)
