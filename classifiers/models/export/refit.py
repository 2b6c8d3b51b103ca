"""A head trained on what exported graphs compute: float32 features of the same images."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from operator import add

from ....cache import FeatureSet, FeatureSpec, FeatureStore
from ....cache.errors import ConfigError
from ...selection.like import fit_like, with_views_of
from ..model import Model

EXACT = "float32"
TUNED_FILE = ", where FINETUNED.featx is what `featx finetune` wrote"


def refit(model: Model, store: FeatureStore, command: str = "") -> Model:
    """Fit the head of ``model`` again, with its parameters and split, on float32 features.

    Parameters
    ----------
    model : Model
        Trained on features of another precision.
    store : FeatureStore
        Holds float32 features of the images that the model learned from.
    command : str
        Kept in the new model as its origin.

    Raises
    ------
    ConfigError
        The model has float32 features, the cache lacks them, or the model's rows are not known.
    FeaturesNotFoundError
        The cache lacks float32 features of views that the model learned from.
    """
    if {spec.precision for spec in model.spec.parts} == {EXACT}:
        raise ConfigError("the model was trained on float32 features: there is nothing to refit")
    features = _find_features(model, store)
    if model.rows is None:
        raise ConfigError(
            "the rows that the model learned from are not known: fit a head on the float32 "
            f"features with `featx fit {features.name}`, and export that"
        )
    return fit_like(model, with_views_of(model, features, store), command).model


def _find_features(model: Model, store: FeatureStore) -> FeatureSet:
    """Return cached features that differ from those of ``model`` in their precision only."""
    parts = [_find_part(model, replace(spec, precision=EXACT), store) for spec in model.spec.parts]
    return reduce(add, parts)


def _find_part(model: Model, spec: FeatureSpec, store: FeatureStore) -> FeatureSet:
    for stored in store.list_features():
        if set(spec.difference(stored.spec)) <= {"storage"}:
            features = store.open_features(stored.name)
            if features.manifest.data_digest == model.data_digest:
                return features
    is_tuned = model.tail is not None and spec.weights_digest == model.tail.digest
    backbone = "FINETUNED.featx" if is_tuned else spec.backbone
    source = str(model.origin.get("features", "SOURCE")).partition("@")[0]
    raise ConfigError(
        f"the cache {store.root} holds no float32 features of the model's images. Make them with "
        f"the options of the first extraction, and --precision float32: featx extract {source} "
        f"--backbone {backbone} --layer {spec.layer} --precision float32"
        f"{TUNED_FILE if is_tuned else ''}"
    )
