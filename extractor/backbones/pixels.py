"""Pixels as they are: what learned features are compared with, and what baselines learn from."""

from __future__ import annotations

from typing import Any


def build(include_top: bool, input_shape: tuple[int | None, int | None, int]) -> Any:
    """Return a ``keras.Model`` that gives RGB pixels, 0 to 255, back."""
    import keras

    pixels = keras.Input(input_shape, dtype="float32")
    return keras.Model(pixels, keras.layers.Activation("linear", name="pixels")(pixels))
