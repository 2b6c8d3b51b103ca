"""Random changes of training images, by Keras' own layers."""

from __future__ import annotations

from typing import Any

from .networks import Shape

ROTATION = 0.04
"""Of a full turn, either way: 14 degrees."""

SHIFT = ZOOM = BRIGHTNESS = 0.1


def build_augmentation(keras: Any, image_shape: Shape) -> Any:
    """Return a model of random flips, rotation, shift, zoom and brightness, in pixels of 0–255.

    Borders that move into the image repeat its edge.
    """
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(image_shape, dtype="float32"),
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(ROTATION, fill_mode="nearest"),
            layers.RandomTranslation(SHIFT, SHIFT, fill_mode="nearest"),
            layers.RandomZoom(ZOOM, fill_mode="nearest"),
            layers.RandomBrightness(BRIGHTNESS, value_range=(0, 255)),
        ],
        name="augmentation",
    )
