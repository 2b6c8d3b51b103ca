"""The features of a source as a model takes them: cached ones, or computed into the cache."""

from __future__ import annotations

from pathlib import Path

from ...cache import FeatureSet, FeatureStore
from ...cache.records.run_record import SCORE
from ...extractor.backbones import IMAGENET
from ...extractor.extract import extract
from ...extractor.run_options import Observer
from ...extractor.sources import Source
from ...extractor.views.views import ITSELF, Views
from ..models.model import Model
from ..scoring.api import open_scored
from ..scoring.cached_views import with_every_view


def features_of_source(
    model: Model,
    source: str | Path | Source | FeatureSet,
    store: FeatureStore,
    weights: str = IMAGENET,
    observer: Observer | None = None,
    views: Views = ITSELF,
) -> FeatureSet:
    """Return the features of a source, made as those that ``model`` was trained on.

    With ``views`` those of random views of its images are beside them.

    Raises
    ------
    FeatureMismatchError, FeaturesNotFoundError, SourceError, BackboneError
        The features were made otherwise, or cannot be had.
    """
    opened = open_scored(source, store, allow_empty=False)
    if not isinstance(opened, FeatureSet):
        plans = model.plans(weights)
        wanted = plans.with_views(views).plans
        reports = extract(opened, wanted, store, observer=observer, kind=SCORE)
        source_name = reports[0].record.manifest
        opened = store.open_features(f"{source_name}@{plans.spec.digits}")
    model.check_spec(opened.spec)
    return with_every_view(opened, store, views)
