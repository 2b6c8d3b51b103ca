"""The Keras engine: any backend, one compiled function from uint8 pixels to vectors."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import PRECISIONS
from ...cache.errors import UnknownBackboneError
from ..backbones import build_backbone, find_layer, find_preprocess
from ..machine.hardware import Hardware
from .base import (
    CPU_BATCHES,
    GPU_BATCHES,
    BatchSizes,
    EngineRecord,
    FeatureOutput,
    Network,
)
from .keras_import import import_keras, missing_for_keras

IN_FLIGHT = 2
"""Batches that an accelerator is handed at a time: one is copied while the other is computed."""


FIRST_NVIDIA_WITH_BFLOAT16 = 8
AMD_WITH_BFLOAT16 = (
    *("gfx908", "gfx90a", "gfx940", "gfx941", "gfx942", "gfx950"),
    *("gfx1100", "gfx1101", "gfx1102", "gfx1200", "gfx1201"),
)


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
        self._model = build_model(network, precision)
        if devices and keras.backend.backend() == "tensorflow":
            self._model.compile(jit_compile=True)
        # The first call compiles; it is not safe from two threads.
        self.run(np.zeros((batch_size, *network.image_size, 3), np.uint8))

    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
        """Return one float32 array ``(batch_size, d)`` for each output."""
        outputs = self._model.predict_on_batch(images)
        several = outputs if isinstance(outputs, list | tuple) else [outputs]
        return tuple(np.asarray(output, np.float32) for output in several)


def accelerators() -> list[str]:
    """Return the accelerators that Keras' backend can use, as in ``gpu:0``."""
    keras = import_keras()
    devices: list[str] = []
    for kind in ("gpu", "tpu"):
        try:
            devices += keras.distribution.list_devices(kind)
        except (RuntimeError, NotImplementedError, AttributeError, ValueError):
            continue  # JAX raises for a kind that is absent, some backends have no such list
    return [str(device) for device in devices]


def has_bfloat16() -> bool:
    """Tell whether the accelerator that Keras' backend uses multiplies bfloat16 in hardware."""
    keras = import_keras()
    try:
        return bool(accelerators()) and BFLOAT16[keras.backend.backend()]()
    except (KeyError, ImportError, AttributeError, RuntimeError):
        return False


def _jax_has_bfloat16() -> bool:
    import jax

    device = jax.devices()[0]
    return device.platform == "tpu" or _is_capable(getattr(device, "compute_capability", ""))


def _tensorflow_has_bfloat16() -> bool:
    import tensorflow as tf

    if tf.config.list_physical_devices("TPU"):
        return True
    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    return _is_capable(".".join(map(str, details.get("compute_capability", ()))))


def _torch_has_bfloat16() -> bool:
    import torch

    is_there = torch.cuda.is_available()
    return is_there and bool(torch.cuda.is_bf16_supported(including_emulation=False))


def _is_capable(capability: str) -> bool:
    """Tell whether a GPU has bfloat16: NVIDIA from 8.0 (Ampere) on, AMD from gfx908 (CDNA) on."""
    if capability.startswith("gfx"):
        return capability.partition(":")[0] in AMD_WITH_BFLOAT16
    major = capability.partition(".")[0]
    return major.isdigit() and int(major) >= FIRST_NVIDIA_WITH_BFLOAT16


def build_model(network: Network, precision: str) -> Any:
    """Build the ``keras.Model`` from uint8 ``(n, h, w, 3)`` to one vector for each output."""
    keras = import_keras()
    backbone = build_backbone(network.record, network.weights, network.image_size)
    if precision != "float32":
        _set_precision(backbone, precision)
    top_layers = network.record.top_layers
    outputs = [
        pooled(find_layer(backbone, output.layer, top_layers).output, output)
        for output in network.outputs
    ]
    features = keras.Model(backbone.input, outputs)
    features.trainable = False
    pixels = keras.Input((*network.image_size, 3), dtype="uint8")
    preprocess = find_preprocess(network.record.preprocess)
    return keras.Model(pixels, features(_preprocessing(preprocess)(pixels)))


def _set_precision(backbone: Any, precision: str) -> None:
    """Let every layer compute in ``precision`` with its float32 weights cast as they are used."""
    import keras

    policy = keras.DTypePolicy(f"mixed_{precision}")
    for layer in backbone._flatten_layers(include_self=False):
        if getattr(layer.dtype_policy, "compute_dtype", "") == "float32":
            layer.dtype_policy = policy


def _preprocessing(preprocess: Any) -> Any:
    import keras

    class Preprocessing(keras.layers.Layer):  # type: ignore[misc]
        """Normalises uint8 RGB on the device."""

        def call(self, x: Any) -> Any:
            """Return the backbone's input."""
            return preprocess(x)

        def compute_output_spec(self, x: Any) -> Any:
            """Return the symbolic output: the same shape in float32."""
            return keras.KerasTensor(x.shape, "float32")

    return Preprocessing(dtype="float32")


def pooled(output: Any, wanted: FeatureOutput) -> Any:
    """Return the vector of a layer's symbolic output."""
    import keras

    rank = len(output.shape)
    if wanted.pool == "flatten":
        return keras.layers.Flatten()(output)
    if wanted.pool == "none" or rank == 2:
        if rank != 2:
            raise UnknownBackboneError(
                f"layer {wanted.layer!r} gives maps of shape {tuple(output.shape[1:])}, not "
                "vectors: pool them with avg, max, grid:2 or flatten"
            )
        return output
    if rank == 3:
        return _of_tokens(output, wanted)
    if rank != 4 or wanted.pool not in ("avg", "max", "grid:2"):
        raise UnknownBackboneError(
            f"layer {wanted.layer!r} gives arrays of shape {tuple(output.shape[1:])}, which the "
            f"pool `{wanted.pool}` does not take: "
            f"{'avg, max, grid:2 or flatten' if rank == 4 else 'flatten'}"
        )
    if wanted.pool == "grid:2":
        return _quarters(output)
    pooling = {"avg": keras.layers.GlobalAveragePooling2D, "max": keras.layers.GlobalMaxPooling2D}
    return pooling[wanted.pool]()(output)


def _of_tokens(output: Any, wanted: FeatureOutput) -> Any:
    """Return the vector of tokens ``(n, tokens, d)``; ``cls`` is the first one."""
    import keras

    if wanted.pool == "cls":
        return output[:, 0]
    pooling = {"avg": keras.layers.GlobalAveragePooling1D, "max": keras.layers.GlobalMaxPooling1D}
    if wanted.pool not in pooling:
        raise UnknownBackboneError(
            f"layer {wanted.layer!r} gives tokens of shape {tuple(output.shape[1:])}, which the "
            f"pool `{wanted.pool}` does not take: cls, avg, max or flatten"
        )
    return pooling[wanted.pool]()(output)


def _quarters(output: Any) -> Any:
    """Average each quarter of a map; with an odd side the middle row counts in both halves."""
    from keras import ops

    height, width = int(output.shape[1]), int(output.shape[2])
    rows = (slice(0, -(-height // 2)), slice(height // 2, height))
    columns = (slice(0, -(-width // 2)), slice(width // 2, width))
    quarters = [ops.mean(output[:, r, c, :], axis=(1, 2)) for r in rows for c in columns]
    return ops.concatenate(quarters, axis=-1)


def _fast_precisions(machine: Hardware) -> tuple[str, ...]:
    if machine.gpus and not accelerators():
        return machine.fast_formats  # build_engine then takes what computes on the processor
    return ("bfloat16",) if machine.gpus and has_bfloat16() else ()


def _batch_sizes(machine: Hardware) -> BatchSizes:
    return GPU_BATCHES if machine.gpus else CPU_BATCHES


BFLOAT16 = MappingProxyType(
    {
        "jax": _jax_has_bfloat16,
        "tensorflow": _tensorflow_has_bfloat16,
        "torch": _torch_has_bfloat16,
    }
)
"""Asks each backend."""

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
