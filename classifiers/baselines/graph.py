"""Baseline networks as Keras models, on whichever backend Keras runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...extractor.engines.keras_import import import_keras
from .batches import LUMA
from .networks import POOL, Layer, NetworkRecord, Shape, find_network
from .precision import layer_policy

Arrays = Mapping[str, NDArray[np.float32]]


def build_network(
    record: NetworkRecord, image_shape: Shape, n_classes: int, precision: str = "float32"
) -> Any:
    """Build a ``keras.Model`` from pixels in 0–255 ``(n, h, w, c)`` to logits.

    Its weights are Keras' initial ones; two classes give one logit ``(n, 1)``. The last layer
    computes in float32, those before it in ``precision``.
    """
    keras = import_keras()
    pixels = keras.Input(image_shape, dtype="float32", name="pixels")
    values = keras.layers.Rescaling(1 / 255, name="scaled")(pixels)
    for index, layer in enumerate(record.with_output(n_classes)):
        policy = layer_policy("float32" if layer.kind == "output" else precision)
        values = _keras_layer(keras, layer, {"name": f"{layer.kind}_{index}", "dtype": policy})(
            values
        )
    return keras.Model(pixels, values, name=record.name)


def get_weights(model: Any) -> dict[str, NDArray[np.float32]]:
    """Return a model's weights by the names of ``NetworkRecord.weight_shapes``."""
    return {
        f"{layer.name}_{weight.name}": np.array(weight.numpy(), np.float32)
        for layer in model.layers
        for weight in _stored(layer)
    }


def set_weights(model: Any, arrays: Arrays) -> None:
    """Give a model the weights that ``get_weights`` returned."""
    for layer in model.layers:
        for weight in _stored(layer):
            weight.assign(arrays[f"{layer.name}_{weight.name}"])


def seed_layers(model: Any, seed: int, epoch: int) -> None:
    """Give dropout and augmentation the seed of an epoch, so that it can be made again."""
    keras = import_keras()
    generators = [
        value
        for layer in model._flatten_layers()
        for value in vars(layer).values()
        if isinstance(value, keras.random.SeedGenerator)
    ]
    for index, generator in enumerate(generators):
        generator.state.assign([seed + index, epoch])


def head_graph(features: Any, arrays: Arrays, params: Mapping[str, Any]) -> Any:
    """Return the symbolic logits ``(n, n_classes)`` of symbolic rows of pixels: the exporter."""
    keras = import_keras()
    height, width, channels = (int(n) for n in arrays["image_shape"])
    images = keras.layers.Reshape((height, width, 3))(features)
    if channels == 1:
        luma = keras.layers.Conv2D(1, 1, use_bias=False, name="luma")
        images = luma(images)
        luma.set_weights([LUMA.reshape(1, 1, 3, 1)])
    n_classes = len(arrays["classes"])
    network = build_network(find_network(params["network"]), (height, width, channels), n_classes)
    set_weights(network, arrays)
    logits = network(images)
    if n_classes == 2:
        # The first of two classes has the logit 0, so that a softmax is the second's sigmoid.
        logits = keras.layers.ZeroPadding1D((1, 0))(keras.layers.Reshape((1, 1))(logits))
        logits = keras.layers.Flatten()(logits)
    return logits


def _stored(layer: Any) -> list[Any]:
    """Return the weights of a layer that belong to the network; the seed of dropout does not."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _keras_layer(keras: Any, layer: Layer, common: Mapping[str, Any]) -> Any:
    layers = keras.layers
    if layer.kind == "conv":
        padding = "same" if layer.same else "valid"
        return layers.Conv2D(layer.width, 3, padding=padding, activation="relu", **common)
    if layer.kind == "dense":
        return layers.Dense(layer.width, activation="relu", **common)
    if layer.kind == "output":
        return layers.Dense(layer.width, **common)
    if layer.kind == "pool":
        return layers.MaxPooling2D(POOL, **common)
    if layer.kind == "norm":
        return layers.BatchNormalization(**common)
    if layer.kind == "drop":
        return layers.Dropout(layer.rate, **common)
    return layers.Flatten(**common)
