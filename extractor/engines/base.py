"""What runs a frozen backbone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Tap:
    """Where features are taken: the output of a layer, and how it becomes a vector.

    Attributes
    ----------
    layer : str
    pool : str
        ``avg`` or ``max`` over the map, ``grid:2`` (the average of each quarter), ``flatten`` (the
        whole map), or ``none`` for a layer that already gives vectors.
    """

    layer: str
    pool: str


class Engine(Protocol):
    """A compiled function from images to feature vectors.

    Attributes
    ----------
    name : str
        For people and records, as in ``keras/tensorflow``.
    batch_size : int
        The only batch size that it runs; shorter batches are padded by the caller.
    """

    name: str
    batch_size: int

    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
        """Return one float32 array ``(batch_size, d)`` for each tap.

        Parameters
        ----------
        images : ndarray of uint8, shape (batch_size, height, width, 3)
        """
        ...


def run_padded(engine: Engine, images: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
    """Run a batch of at most ``engine.batch_size`` images, padded, and cut the padding off.

    Padding keeps one compiled shape, so that results do not depend on a ragged last batch.
    """
    n_images = len(images)
    if n_images < engine.batch_size:
        padding = np.zeros((engine.batch_size - n_images, *images.shape[1:]), np.uint8)
        images = np.concatenate([images, padding])
    return tuple(output[:n_images] for output in engine.run(images))
