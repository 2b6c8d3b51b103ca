"""Batches of pixels, in an order that the epoch decides, so that training can go on later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .networks import Shape

# The luma of ITU-R BT.601, for colour images before a network that was trained on grey ones.
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class PixelRows:
    """Images that were cached as rows of RGB pixels.

    Attributes
    ----------
    X : matrix, shape (n_samples, height * width * 3)
        Whole numbers from 0 to 255; an array, or lazy as ``FeatureSet.X``.
    image_shape : (height, width, channels)
        One channel where all images are grey, else three.
    """

    X: Any
    image_shape: Shape

    def __len__(self) -> int:
        return int(self.X.shape[0])

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return images as ``(n, height, width, channels)`` float32 in 0–255."""
        return as_images(np.asarray(self.X[rows]), self.image_shape)


def as_images(X: NDArray[Any], image_shape: Shape) -> NDArray[np.float32]:
    """Return rows of RGB pixels ``(n, height * width * 3)`` as ``(n, height, width, channels)``."""
    height, width, channels = image_shape
    images = X.reshape(len(X), height, width, 3).astype(np.float32, copy=False)
    if channels == 3:
        return images
    is_grey = (images[..., :1] == images).all()
    return images[..., :1] if is_grey else (images @ LUMA)[..., None]


def epoch_batches(
    n_samples: int, batch_size: int, seed: int, epoch: int
) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of each batch of one epoch, every sample once."""
    order = np.random.default_rng([seed, epoch]).permutation(n_samples)
    for start in range(0, n_samples, batch_size):
        # Reading in ascending order is what a cache on disk serves best.
        yield np.sort(order[start : start + batch_size])


def ordered_batches(n_samples: int, batch_size: int) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of each batch in their own order."""
    for start in range(0, n_samples, batch_size):
        yield np.arange(start, min(start + batch_size, n_samples))
