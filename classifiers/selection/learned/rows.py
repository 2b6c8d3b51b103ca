"""What heads learn from: rows of features, and the same rows of each view of their images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache import FeatureMatrix, FeatureSet
from ....cache.joined.stacked_matrix import StackedMatrix
from .views import check_views

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class LearnedRows:
    """Training rows, view after view: all images first, then the first view of each, and so on.

    Attributes
    ----------
    matrices : tuple of FeatureMatrix
        The features of all images, and those of each view.
    images : ndarray of int64, shape (n_images,)
        Row numbers of the images that are learned from.
    y, groups : ndarray of int64, shape (n_images * n_views,)
        Classes, and what is held out together: an image with its views.
    weights : ndarray of float64, shape (n_images * n_views,), or None
        All rows of an image weigh as much as the image.
    """

    matrices: tuple[FeatureMatrix, ...]
    images: Rows
    y: Rows
    groups: Rows
    weights: NDArray[np.float64] | None

    @classmethod
    def of(cls, features: FeatureSet, images: Rows, units: Rows) -> LearnedRows:
        """Return what is learned from some rows of ``features``.

        Parameters
        ----------
        features : FeatureSet
        images : ndarray of int64
            Row numbers.
        units : ndarray of int64, shape (n_samples,)
            The unit of each row of ``features``.

        Raises
        ------
        FeaturesNotFoundError
            The cache lacks a view of one of them; the message says which command makes it.
        """
        check_views(features, images, "training images")
        n_views = 1 + len(features.views)
        weights = features.weights
        if weights is not None or n_views > 1:
            of_images = np.ones(len(images)) if weights is None else weights[images]
            weights = np.tile(of_images / n_views, n_views)
        return cls(
            (features.X, *features.views),
            images,
            np.tile(features.y[images], n_views),
            np.tile(units[images], n_views),
            weights,
        )

    @property
    def X(self) -> Any:
        """The matrix that ``rows`` are rows of."""
        return self.matrices[0] if len(self.matrices) == 1 else StackedMatrix(self.matrices)

    @property
    def rows(self) -> Rows:
        """Numbers of the rows in ``X`` that are learned from."""
        starts = np.arange(len(self.matrices)) * len(self.matrices[0])
        rows: Rows = (starts[:, None] + self.images).ravel()
        return rows

    def refer(self) -> Any:
        """Return the rows as a matrix that says, pickled, where they lie in the cache."""
        parts = [matrix.select(self.images) for matrix in self.matrices]
        return parts[0] if len(parts) == 1 else StackedMatrix(parts)
