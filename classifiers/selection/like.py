"""A model made again, or its head fitted on other features of the same images."""

from __future__ import annotations

import time

import numpy as np

from ...cache import NO_SPLIT, SPLITS, FeatureSet, FeatureStore
from ...cache.errors import ConfigError, FeaturesNotFoundError
from ...cache.records.label_snapshot import find_labels
from ...cache.views import DrawnViews
from ..heads.registry import HEADS, OWN
from ..models.model import Model
from .fit import FitReport, HeadOptions, fit_head, measured, with_novelty
from .learned.views import with_views
from .splitting.near_duplicates import NearDuplicates
from .splitting.preparation import Prepared
from .splitting.splits import Split
from .splitting.units import find_units


def features_of(model: Model, store: FeatureStore) -> FeatureSet:
    """Return the features, labels and splits that ``model`` was made with.

    Raises
    ------
    FeaturesNotFoundError
        The cache does not keep the labels, or features of the model's images are gone.
    """
    manifest = find_labels(store.layout, model.data_digest)
    source = str(model.origin.get("features", "SOURCE")).partition("@")[0]
    if manifest is None:
        raise FeaturesNotFoundError(
            f"the cache {store.root} does not keep the labels that this model was made with. Name "
            f"the cache in which it was made with --cache; else train anew: featx fit {source}"
        )
    return FeatureSet(manifest, store.open_spec(model.spec), store.layout)


def with_views_of(model: Model, features: FeatureSet, store: FeatureStore) -> FeatureSet:
    """Return the features with such views of their images as ``model`` learned from, if any.

    Raises
    ------
    FeaturesNotFoundError
        The cache lacks them; the message says which command makes them.
    CacheFormatError
        What the model's file says of views is damaged.
    """
    views = DrawnViews.from_dict(model.origin.get("views", {}))
    return with_views(features, store, views.n, views.ops or None, views.seed)


def fit_like(
    model: Model, features: FeatureSet, command: str = "", memory: int | None = None
) -> FitReport:
    """Fit the head of ``model`` again, with its parameters, on the rows that it learned from.

    Parameters
    ----------
    model : Model
    features : FeatureSet
        Of the model's images, with views as ``with_views_of`` gives them: those that the model was
        made with give the same model.
    command : str
        Kept in the new model as its origin.
    memory : int, optional
        Bytes that training may take.

    Raises
    ------
    ConfigError
        The file does not say which images the model learned from, or it is no head on features.
    FeaturesNotFoundError
        Features of its images are gone.
    """
    if model.head_name not in {*HEADS, OWN.name}:
        raise ConfigError(
            f"the model is not a head on features that stay as they are, but was trained by "
            f"`{model.origin.get('command')}`, which makes it again"
        )
    split = split_like(model, features)
    from sklearn.base import clone

    name, head = model.head_name, clone(model.head)
    start = time.perf_counter()
    fit_head(head, features, split, HeadOptions(name, memory=memory))
    seconds = time.perf_counter() - start
    prepared = Prepared(split, NearDuplicates(), ())
    report = measured(features, prepared, name, head, seconds, command)
    return with_novelty(report, features)


def split_like(model: Model, features: FeatureSet) -> Split:
    """Return the rows of ``features`` in the splits that ``model`` was made with.

    Raises
    ------
    ConfigError
        The file does not say which images these are.
    FeaturesNotFoundError
        Some of them have no features any more.
    """
    if model.rows is None:
        raise ConfigError(
            "the model file is of an earlier featx and does not say which images the model learned "
            "from. Train anew: featx fit"
        )
    codes = np.where(features.y >= 0, model.rows.find(features.digests), NO_SPLIT)
    n_wanted = len(model.rows.digests)
    n_found = len(np.unique(features.digests[codes >= 0], axis=0))
    if n_found < n_wanted:
        source = features.manifest.location
        raise FeaturesNotFoundError(
            f"{n_wanted - n_found:,} of the model's {n_wanted:,} images have no features in the "
            f"cache any more. If their files are still there, extract them again: featx extract "
            f"{source}"
        )
    for code in (SPLITS.index("val"), SPLITS.index("test")):
        if (features.splits == code).any():  # other rows with these bytes were left out
            codes[(codes == code) & (features.splits != code)] = NO_SPLIT
    seed = int(model.split.get("seed", 0))
    train, val, test = (np.flatnonzero(codes == code) for code in range(len(SPLITS)))
    return Split(train, val, test, find_units(features, seed).rows, features.digests, seed)
