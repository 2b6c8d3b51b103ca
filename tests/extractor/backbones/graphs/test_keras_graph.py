"""Multiply-adds of Keras models."""

from __future__ import annotations

from typing import Any

import keras
import pytest

from featx.extractor.backbones import BACKBONES
from featx.extractor.backbones.graphs.keras_graph import keras_multiply_adds

layers = keras.layers
ATTENTION = 4 * 64 * 3 * 2 * 4 + 2 * 2 * 64 * 64 * 4
"""Queries, keys, values and output of two heads of 4; scores and sums of 64 tokens."""


@pytest.mark.parametrize(("layer", "expected"), [
    (layers.Conv2D(6, 3, groups=3), 6 * 6 * 6 * 9),
    (layers.DepthwiseConv2D(3, padding="same"), 8 * 8 * 3 * 9),
    (layers.SeparableConv2D(5, 3, padding="same"), 8 * 8 * (3 * 9 + 3 * 5)),
    (layers.Conv2DTranspose(5, 3, strides=2), 8 * 8 * 9 * 3 * 5),
    (layers.Dense(7), 8 * 8 * 3 * 7),
    (layers.Activation("relu"), 0),
])  # fmt: skip
def test_layers(layer: Any, expected: int) -> None:
    image = keras.Input((None, None, 3))
    assert keras_multiply_adds(keras.Model(image, layer(image)), (8, 8)) == expected


def test_attention_and_a_model_inside() -> None:
    image = keras.Input((8, 8, 3))
    inner = keras.Sequential([keras.Input((8, 8, 3)), layers.Dense(3), layers.Reshape((64, 3))])
    tokens = inner(image)
    model = keras.Model(image, layers.MultiHeadAttention(2, 4)(tokens, tokens))
    assert keras_multiply_adds(model, (8, 8)) == ATTENTION + 64 * 3 * 3


def test_a_network_has_what_the_table_of_backbones_says() -> None:
    record = BACKBONES["mobilenet"]
    side = record.image_size
    model = keras.applications.MobileNet(
        weights=None, include_top=False, input_shape=(side, side, 3)
    )
    assert round(keras_multiply_adds(model, (side, side)) / 1e9, 2) == record.gmacs
