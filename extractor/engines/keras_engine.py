"""The Keras engine: any backend, one compiled function from uint8 pixels to vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import UnknownBackboneError
from ..backbones import PREPROCESS, BackboneRecord, Weights, build_backbone, find_layer
from ..keras_import import import_keras
from .base import Tap


class KerasEngine:
    """Runs a backbone through Keras in float32.

    Parameters
    ----------
    record : BackboneRecord
    weights : Weights
    taps : sequence of Tap
    image_size : (height, width)
    batch_size : int

    Raises
    ------
    UnknownBackboneError
        A tap names a layer that the backbone does not have, or a pool that its output cannot take.
    WeightsMismatchError
        The weights do not fit.
    """

    def __init__(
        self,
        record: BackboneRecord,
        weights: Weights,
        taps: Sequence[Tap],
        image_size: tuple[int, int],
        batch_size: int,
    ) -> None:
        keras = import_keras()
        self.name = f"keras/{keras.backend.backend()}"
        self.batch_size = batch_size
        backbone = build_backbone(record, weights, image_size)
        found = [find_layer(backbone, tap.layer, record.top_layers) for tap in taps]
        outputs = [_pooled(layer.output, tap) for layer, tap in zip(found, taps, strict=True)]
        tapped = keras.Model(backbone.input, outputs)
        tapped.trainable = False
        pixels = keras.Input((*image_size, 3), dtype="uint8")
        preprocess = PREPROCESS[record.preprocess]
        self._model = keras.Model(pixels, tapped(_preprocessing(preprocess)(pixels)))

    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
        """Return one float32 array ``(batch_size, d)`` for each tap."""
        outputs = self._model.predict_on_batch(images)
        several = outputs if isinstance(outputs, list | tuple) else [outputs]
        return tuple(np.asarray(output, np.float32) for output in several)


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


def _pooled(output: Any, tap: Tap) -> Any:
    """Return the vector of a layer's symbolic output."""
    import keras

    rank = len(output.shape)
    if tap.pool == "flatten":
        return keras.layers.Flatten()(output)
    if tap.pool == "none" or rank == 2:
        if rank != 2:
            raise UnknownBackboneError(
                f"layer {tap.layer!r} gives maps of shape {tuple(output.shape[1:])}, not vectors: "
                "pool them with avg, max, grid:2 or flatten"
            )
        return output
    if rank != 4:
        raise UnknownBackboneError(
            f"layer {tap.layer!r} gives arrays of shape {tuple(output.shape[1:])}, which only the "
            "pool `flatten` can take"
        )
    if tap.pool == "grid:2":
        return _quarters(output)
    pooling = {"avg": keras.layers.GlobalAveragePooling2D, "max": keras.layers.GlobalMaxPooling2D}
    return pooling[tap.pool]()(output)


def _quarters(output: Any) -> Any:
    """Average each quarter of a map; with an odd side the middle row counts in both halves."""
    from keras import ops

    height, width = int(output.shape[1]), int(output.shape[2])
    rows = (slice(0, -(-height // 2)), slice(height // 2, height))
    columns = (slice(0, -(-width // 2)), slice(width // 2, width))
    quarters = [ops.mean(output[:, r, c, :], axis=(1, 2)) for r in rows for c in columns]
    return ops.concatenate(quarters, axis=-1)
