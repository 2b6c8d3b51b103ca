"""Pixels as they are: what learned features are compared with, and what baselines learn from."""

from __future__ import annotations

from typing import Any

from .record import BackboneRecord

PIXELS = BackboneRecord(
    name="pixels",
    builder="pixels:build",
    preprocess="none",
    image_size=32,
    min_size=1,
    layer="pixels",
    pool="flatten",
    n_features=32 * 32 * 3,
    n_params=0,
    gmacs=0.0,
    weights=None,
    weights_with_top=None,
    top_layers=(),
    licence="",
    has_weights=False,
)


def build(include_top: bool, input_shape: tuple[int | None, int | None, int]) -> Any:
    """Return a ``keras.Model`` that gives RGB pixels, 0 to 255, back."""
    import keras

    pixels = keras.Input(input_shape, dtype="float32")
    return keras.Model(pixels, keras.layers.Activation("linear", name="pixels")(pixels))
