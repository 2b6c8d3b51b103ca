"""Random views of cached features, as far as the cache holds them."""

from __future__ import annotations

import numpy as np

from ...cache import FeatureSet, FeatureStore
from ...extractor.views.views import Views
from ..selection.learned.views import check_views, with_views


def with_every_view(features: FeatureSet, store: FeatureStore, views: Views) -> FeatureSet:
    """Return the features with those of each random view of their images.

    Raises
    ------
    FeaturesNotFoundError
        The cache lacks a view of an image; the message says what to type.
    """
    viewed = with_views(features, store, views.n, views.ops, views.seed)
    check_views(viewed, np.arange(len(viewed)), "images")
    return viewed
