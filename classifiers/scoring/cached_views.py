"""Random views of cached features, as far as the cache holds them."""

from __future__ import annotations

import numpy as np

from ...cache import FeatureSet, FeatureStore
from ...cache.errors import FeaturesNotFoundError
from ...cache.joined.feature_matrix import join_shards
from ...extractor.views.views import Views


def cached_views(features: FeatureSet, store: FeatureStore, views: Views) -> list[FeatureSet]:
    """Return the features of each random view of the images of ``features``, row by row.

    Parameters
    ----------
    features : FeatureSet
        Of one set or of several side by side.
    store : FeatureStore
    views : Views

    Raises
    ------
    FeaturesNotFoundError
        The cache lacks a view of an image; the message says what to type.
    """
    found = []
    for specs in list(zip(*map(views.of, features.spec.parts), strict=True))[1:]:
        sets = [store.open_set(spec) for spec in specs]
        shards = sets[0] if len(sets) == 1 else join_shards(*sets)
        view = FeatureSet(features.manifest, shards, features.layout)
        n_lost = len(features) - int(np.isin(features.kept, view.kept).sum())
        if n_lost:
            raise FeaturesNotFoundError(
                f"the cache has no view {specs[0].view} of {n_lost:,} of the {len(features):,} "
                f"images of {features.name}: `featx extract {features.manifest.location} "
                f"{views.options()}` with the options of these features computes them"
            )
        found.append(view[np.isin(view.kept, features.kept)])
    return found
