"""Batch normalisation folded into the convolutions before it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from featx.extractor.engines.keras import fold_batch_norm


def network() -> Any:
    """Return a small network with each kind of convolution and frozen normalisations."""
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(0)
    pixels = keras.Input((8, 8, 4))
    x = layers.Conv2D(6, 3, padding="same", name="biased")(pixels)
    x = layers.BatchNormalization()(x)
    x = layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2, use_bias=False, name="deep")(x)
    x = layers.BatchNormalization(center=False)(layers.ReLU(6.0)(x))
    y = layers.Conv2D(12, 1, use_bias=False, name="twice")(x)
    z = layers.BatchNormalization(scale=False)(y)
    z = layers.DepthwiseConv2D(3, padding="same", name="last")(y + z)
    z = layers.BatchNormalization()(z)
    shared, norm = layers.Conv2D(12, 1, name="shared"), layers.BatchNormalization()
    z = shared(norm(shared(z)))
    model = keras.Model(pixels, layers.GlobalAveragePooling2D()(z))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        layer.trainable = not isinstance(layer, layers.BatchNormalization)
        layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


def test_the_same_variables_give_the_same_features_and_the_same_step() -> None:
    import keras

    inputs = np.random.default_rng(1).normal(size=(5, 8, 8, 4)).astype(np.float32)
    model, folded = network(), fold_batch_norm(network())
    names = {layer.name for layer in folded.layers}
    assert {"biased_folded", "last_folded", "twice", "deep", "shared"} <= names
    assert len(folded.trainable_weights) == len(model.trainable_weights)
    expected = model.predict_on_batch(inputs)
    assert folded.predict_on_batch(inputs) == pytest.approx(expected, rel=1e-4, abs=1e-4)
    for each in (model, folded):
        each.compile(keras.optimizers.SGD(1e-3), "mse", jit_compile=False)
        each.train_on_batch(inputs, np.ones_like(expected))
    by_path = {weight.path: weight for weight in model.trainable_weights}
    for weight in folded.trainable_weights:
        assert np.asarray(weight) == pytest.approx(
            np.asarray(by_path[weight.path]), rel=1e-4, abs=1e-5
        )
