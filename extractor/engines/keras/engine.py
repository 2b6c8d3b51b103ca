"""The Keras engine: any backend, one compiled function from uint8 pixels to vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache import PRECISIONS
from ...machine.hardware import Hardware
from ..base import CPU_BATCHES, GPU_BATCHES, BatchSizes, EngineRecord, Network
from ..keras_import import import_keras, missing_for_keras
from .devices import accelerators, has_bfloat16
from .forward import compile_forward
from .model import build_model

IN_FLIGHT = 8
"""Batches that an accelerator is handed at a time: copies of the next ones, each by a thread of its
own, go on beside the computation."""


class KerasEngine:
    """Runs a network through Keras, on an accelerator where its backend sees one.

    Parameters
    ----------
    network : Network
    precision : str
        Of the computation; weights stay float32 and are cast where they are used.
    batch_size : int

    Raises
    ------
    UnknownBackboneError
        There is no such layer, or its output cannot be pooled in the way that was asked for.
    WeightsMismatchError
        The weights do not fit.
    """

    def __init__(self, network: Network, precision: str, batch_size: int) -> None:
        keras = import_keras()
        devices = accelerators()
        self.name = f"keras/{keras.backend.backend()}"
        if devices:
            self.name += f" on {devices[0]}"
        self.kind = KERAS.name
        self.on_accelerator = bool(devices)
        self.precision = precision
        self.batch_size = batch_size
        self.n_parallel = IN_FLIGHT if devices else 1
        model = build_model(network, precision, is_folded=bool(devices) and precision != "float32")
        self._forward = compile_forward(model, bool(devices))
        # The first call compiles; it is not safe from two threads.
        self.run(np.zeros((batch_size, *network.image_size, 3), np.uint8))

    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
        """Return one float32 array ``(batch_size, d)`` for each output."""
        return self._forward(images)


def _fast_precisions(machine: Hardware) -> tuple[str, ...]:
    if machine.gpus and not accelerators():
        return machine.fast_formats  # build_engine then takes what computes on the processor
    return ("bfloat16",) if machine.gpus and has_bfloat16() else ()


def _batch_sizes(machine: Hardware) -> BatchSizes:
    return GPU_BATCHES if machine.gpus else CPU_BATCHES


KERAS = EngineRecord(
    name="keras",
    requirement="keras",
    why="the engine for accelerators, and for processors without a faster one",
    build=KerasEngine,
    runs_on=lambda machine: True,
    precisions=lambda machine: PRECISIONS,
    fast_precisions=_fast_precisions,
    batch_sizes=_batch_sizes,
    accelerators=accelerators,
    missing=missing_for_keras,
)
