"""Cached maps with the classes of their images, the views that an epoch takes, and mixtures."""

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


def class_shares(y: NDArray[np.int64], n_logits: int) -> NDArray[np.float32]:
    """Return what share of each class samples are: ``(n, n_logits)``, or ``(n,)`` for one logit."""
    if n_logits == 1:
        return y.astype(np.float32)
    return np.eye(n_logits, dtype=np.float32)[y]


def mix(
    maps: NDArray[np.float32],
    shares: NDArray[np.float32],
    weight: NDArray[np.float32] | None,
    alpha: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None]:
    """Mix each sample of a batch with another: mixup (Zhang and others, 2018, arXiv:1710.09412).

    Of the maps of an inner layer, as Verma and others do (2019, arXiv:1806.05236). The larger part
    of a mixture is the sample itself.

    Parameters
    ----------
    maps : ndarray of float32, shape (n, ...)
    shares : ndarray of float32, shape (n, n_classes) or (n,)
        As ``class_shares`` gives them.
    weight : ndarray of float32, shape (n,), or None
        What each sample counts in the loss.
    alpha : float
        Parts are drawn from a beta distribution with both parameters ``alpha``.
    rng : numpy.random.Generator

    Returns
    -------
    maps, shares, weight
        As they came. The loss of a mixture is the sum of its samples' losses, each by its part and
        by what it counts.
    """
    other = rng.permutation(len(maps))
    part = rng.beta(alpha, alpha, len(maps)).astype(np.float32)
    part = np.maximum(part, 1 - part)

    def mixed(values: NDArray[np.float32], own: NDArray[np.float32]) -> NDArray[np.float32]:
        own = own.reshape(-1, *[1] * (values.ndim - 1))
        return own * values + (1 - own) * values[other]

    maps = mixed(maps, part)
    if weight is None:
        return maps, mixed(shares, part), None
    total = mixed(weight, part)
    own = np.divide(part * weight, total, out=np.ones_like(part), where=total > 0)
    return maps, mixed(shares, own), total
