"""Cached maps with the classes of their images, and the views that an epoch takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class MapSamples:
    """Cached maps with their classes.

    Attributes
    ----------
    maps : matrix, shape (n_samples, height * width * channels)
        An array, or lazy as ``FeatureSet.X``.
    y : ndarray of int64, shape (n_samples,)
    weight : ndarray of float32, shape (n_samples,), or None
        What each sample counts in the loss.
    views : sequence of matrix, each of the shape of ``maps``
        Maps of random views of the same images.
    """

    maps: Any
    y: NDArray[np.int64]
    weight: NDArray[np.float32] | None = None
    views: Sequence[Any] = ()

    def take(
        self,
        rows: NDArray[np.int64],
        shape: tuple[int, ...],
        drawn: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float32]:
        """Return maps as float32 ``(n, *shape)``.

        Parameters
        ----------
        rows : ndarray of int64, shape (n,)
        shape : tuple of int
            Of a map.
        drawn : ndarray of int64, shape (n_samples,), optional
            The view of each sample that is taken; 0, and by default, the image itself.
        """
        if drawn is None:
            return np.asarray(self.maps[rows], np.float32).reshape(len(rows), *shape)
        maps = np.empty((len(rows), self.maps.shape[1]), np.float32)
        for number, matrix in enumerate((self.maps, *self.views)):
            is_taken = drawn[rows] == number
            maps[is_taken] = matrix[rows[is_taken]]
        return maps.reshape(len(rows), *shape)

    def draw(self, seed: int, epoch: int) -> NDArray[np.int64] | None:
        """Return which view of each sample an epoch takes; None where there are no views."""
        if not self.views:
            return None
        n_views = 1 + len(self.views)
        return np.random.default_rng([seed, epoch, n_views]).integers(n_views, size=len(self.y))
