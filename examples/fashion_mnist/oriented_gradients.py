"""Write oriented.keras: histograms of oriented gradients as a network, which nothing trains.

    python oriented_gradients.py [SIDE]

Its one layer of features, ``cells``, holds eight directions of edges in overlapping cells of four
by four pixels, each cell divided by the strength of edges around it (after Dalal & Triggs 2005).
"""

from __future__ import annotations

import sys

import keras
import numpy as np
from keras import layers, ops

N_DIRECTIONS = 8


def fixed(filters: np.ndarray) -> layers.Conv2D:
    """Return a convolution with given filters ``(height, width, channels, outputs)``."""
    start = keras.initializers.Constant(filters.tolist())
    return layers.Conv2D(
        filters.shape[-1], filters.shape[:2], use_bias=False, kernel_initializer=start
    )


def build(side: int) -> keras.Model:
    """Return the network from RGB pixels, 0 to 255, to cells of directions."""
    image = keras.Input((side, side, 3))
    grey = fixed(np.full((1, 1, 3, 1), 1 / (3 * 255)))(image)
    slopes = np.zeros((3, 3, 1, 2))
    slopes[1, :, 0, 0] = slopes[:, 1, 0, 1] = (-1, 0, 1)
    gradient = fixed(slopes)(layers.ZeroPadding2D(1)(grey))
    length = ops.sqrt(ops.sum(ops.square(gradient), axis=-1, keepdims=True) + 1e-8)
    angles = 2 * np.pi * np.arange(N_DIRECTIONS) / N_DIRECTIONS
    directions = fixed(np.stack([np.cos(angles), np.sin(angles)])[None, None])(gradient)
    # A gradient counts for the two directions that it lies between.
    shares = ops.relu(directions - length * float(np.cos(angles[1])))
    cells = layers.AveragePooling2D(4, 2)(shares)
    energy = layers.AveragePooling2D(3, 1, padding="same")(
        ops.sum(ops.square(cells), axis=-1, keepdims=True)
    )
    scaled = ops.sqrt(cells / ops.sqrt(energy + 1e-5) + 1e-8)
    return keras.Model(image, layers.Activation("linear", name="cells")(scaled))


if __name__ == "__main__":
    build(int(sys.argv[1]) if len(sys.argv) > 1 else 28).save("oriented.keras")
