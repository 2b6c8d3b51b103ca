"""A network as one Keras model, from uint8 pixels to vectors."""

from __future__ import annotations

from typing import Any

from ....cache.errors import UnknownBackboneError
from ...backbones import build_backbone, find_layer, find_preprocess
from ..base import FeatureOutput, Network
from ..keras_import import import_keras
from .folding import fold_batch_norm


def build_model(network: Network, precision: str, is_folded: bool = False) -> Any:
    """Build the ``keras.Model`` from uint8 ``(n, h, w, 3)`` to one vector for each output.

    Parameters
    ----------
    network : Network
    precision : str
    is_folded : bool
        Whether convolutions take the batch normalisation after them into their kernels: fewer maps
        pass through the memory, and each number is rounded once less.
    """
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
    if is_folded:
        features = fold_batch_norm(features)
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
