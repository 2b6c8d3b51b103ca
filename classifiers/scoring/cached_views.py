"""Random views of cached features, as far as the cache holds them."""

from __future__ import annotations

import numpy as np

from ...cache import FeatureSet, FeatureStore
from ...cache.errors import FeaturesNotFoundError
from ...extractor.views.views import Views
from ..selection.views import views_command, with_views


def with_every_view(features: FeatureSet, store: FeatureStore, views: Views) -> FeatureSet:
    """Return the features with those of each random view of their images.

    Raises
    ------
    FeaturesNotFoundError
        The cache lacks a view of an image; the message says what to type.
    """
    viewed = with_views(features, store, views.n, views.ops, views.seed)
    for number, matrix in enumerate(viewed.views, 1):
        n_lacking = len(matrix.lacking(np.arange(len(viewed))))
        if n_lacking:
            raise FeaturesNotFoundError(
                f"{n_lacking:,} of {len(viewed):,} images of {features.name} have no view {number} "
                f"in the cache: {views_command(features, views)} computes what is missing"
            )
    return viewed
