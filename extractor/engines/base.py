"""What runs a frozen backbone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import WeightsMismatchError
from ..backbones import BackboneRecord, Weights
from ..backbones.record import KERAS_FORMAT
from ..machine.hardware import Hardware
from ..precision.drift import Drift
from .packed import PackedNetwork

MAX_REASON = 200
MEMORY_WORDS = ("out of memory", "resource_exhausted", "resource exhausted", "bad_alloc", "oom")
MEMORY_TYPES = ("ResourceExhaustedError", "OutOfMemoryError")


@dataclass(frozen=True)
class FeatureOutput:
    """Where features are taken: the output of a layer, and how it becomes a vector.

    Attributes
    ----------
    layer : str
    pool : str
        ``avg`` or ``max`` over the map, ``grid:2`` (the average of each quarter), ``flatten`` (the
        whole map), or ``none`` for a layer that already gives vectors.
    """

    layer: str
    pool: str


@dataclass(frozen=True)
class Network:
    """A frozen function from pixels to vectors, before any engine has been chosen.

    Attributes
    ----------
    record : BackboneRecord
    weights : Weights
    outputs : tuple of FeatureOutput
        All of them come from one forward pass.
    image_size : (height, width)
    packed : PackedNetwork or None
        Its converted form, where a file brought it.
    """

    record: BackboneRecord
    weights: Weights
    outputs: tuple[FeatureOutput, ...]
    image_size: tuple[int, int]
    packed: PackedNetwork | None = None

    @property
    def image_bytes(self) -> int:
        """Bytes of one image as the engine takes it."""
        return self.image_size[0] * self.image_size[1] * 3


class Engine(Protocol):
    """A compiled function from images to feature vectors.

    Attributes
    ----------
    name : str
        For people and records, as in ``keras/tensorflow``.
    kind : str
        Its name in the registry.
    on_accelerator : bool
    precision : str
        Number format that it computes in.
    batch_size : int
        The only batch size that it runs; ``run_rows`` pads shorter batches and cuts longer ones.
    n_parallel : int
        How many calls of ``run`` may go on at the same time.
    """

    name: str
    kind: str
    on_accelerator: bool
    precision: str
    batch_size: int
    n_parallel: int

    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
        """Return one float32 array ``(batch_size, d)`` for each output.

        Parameters
        ----------
        images : ndarray of uint8, shape (batch_size, height, width, 3)
        """
        ...


class BatchSizes(NamedTuple):
    """The batch size of short runs, and those that a long run measures."""

    default: int
    candidates: tuple[int, ...]


CPU_BATCHES = BatchSizes(8, (8, 16, 32))
GPU_BATCHES = BatchSizes(128, (32, 64, 128, 256))


@dataclass(frozen=True, kw_only=True)
class EngineRecord:
    """What featx knows of one kind of engine before it loads any.

    Attributes
    ----------
    name : str
    requirement : str
        The module that must be installed, which ``pip install`` knows by the same name.
    why : str
        Why it is chosen where nobody asked for it, in one clause.
    build : callable
        Builds the engine of a network for a precision and a batch size.
    runs_on : callable
        Tells whether it is worth running on a machine.
    precisions : callable
        Returns the number formats that it computes in on a machine.
    fast_precisions : callable
        Returns those that are faster than float32 there, fastest first.
    batch_sizes : callable
        Returns the batch sizes for a machine.
    accelerators : callable or None
        Loads the engine's library and returns the accelerators that it can use; None where it only
        uses processors.
    converts : bool
        Whether it keeps a converted network on this machine.
    formats : tuple of str
        The formats of backbones that it runs (see ``BackboneRecord.format``).
    missing : callable or None
        Returns the module that is not installed, where more than ``requirement`` is needed; empty
        where all are.
    measured_drift : callable or None
        Returns the drift of a network in a format that building its engine has measured on the
        calibration set, if it has; None: it measures none.
    """

    name: str
    requirement: str
    why: str
    build: Callable[[Network, str, int], Engine]
    runs_on: Callable[[Hardware], bool]
    precisions: Callable[[Hardware], tuple[str, ...]]
    fast_precisions: Callable[[Hardware], tuple[str, ...]]
    batch_sizes: Callable[[Hardware], BatchSizes]
    accelerators: Callable[[], list[str]] | None = None
    converts: bool = False
    formats: tuple[str, ...] = (KERAS_FORMAT,)
    missing: Callable[[], str] | None = None
    measured_drift: Callable[[Network, str], Drift | None] | None = None

    @property
    def missing_module(self) -> str:
        """The module that must be installed before it runs; empty where none is missing."""
        if self.missing is not None:
            return self.missing()
        return "" if find_spec(self.requirement) else self.requirement


def run_rows(engine: Engine, images: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
    """Run any number of images, padded to whole batches, and cut the padding off.

    Padding keeps one compiled shape, so that results do not depend on a ragged last batch.
    """
    size = engine.batch_size
    if len(images) == size:
        return engine.run(images)
    parts = [_run_padded(engine, images[i : i + size]) for i in range(0, len(images), size)]
    if len(parts) == 1:
        return parts[0]
    return tuple(np.concatenate(outputs) for outputs in zip(*parts, strict=True))


def _run_padded(engine: Engine, images: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
    n_images = len(images)
    if n_images < engine.batch_size:
        padding = np.zeros((engine.batch_size - n_images, *images.shape[1:]), np.uint8)
        images = np.concatenate([images, padding])
    return tuple(output[:n_images] for output in engine.run(images))


def wrong_size(network: Network, reason: str) -> WeightsMismatchError:
    """Return the error of a graph that does not take images of the network's size."""
    height, width = network.image_size
    return WeightsMismatchError(
        f"{network.record.name} does not take images of {height}×{width} pixels "
        f"({reason[:MAX_REASON]}). featx resizes no position embeddings: --size N takes the size "
        "that the graph was exported with"
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether a library ran out of memory: each has an exception of its own for it."""
    if isinstance(error, MemoryError) or type(error).__name__ in MEMORY_TYPES:
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(word in text for word in MEMORY_WORDS)
