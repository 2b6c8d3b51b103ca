"""One Keras model from uint8 pixels to class probabilities."""

from __future__ import annotations

from typing import Any

from ....cache import FeatureSpec
from ....extractor.backbones import build_backbone, find_layer, find_preprocess
from ....extractor.engines.keras import pooled
from ....extractor.engines.keras_import import import_keras
from ....extractor.feature_plans import FeaturePlans
from ....extractor.plan import Plan
from ..model import Model
from .head_graph import probabilities_of


def build_graph(model: Model, plans: FeaturePlans) -> Any:
    """Build the ``keras.Model``: ``image`` uint8 ``(n, h, w, 3)`` to ``probabilities``.

    It is made of layers and operations of Keras alone, so that it loads where featx is not
    installed.

    Raises
    ------
    ConfigError
        The head cannot become a graph.
    """
    keras = import_keras()
    image = keras.Input((*plans.specs[0].image_size, 3), dtype="uint8", name="image")
    columns: dict[FeatureSpec, Any] = {}
    for number, plan in enumerate(plans.plans):
        name = f"features_{number}" if number else "features"
        columns |= zip(plan.specs, _outputs(plan, image, name), strict=True)
    ordered = [columns[spec] for spec in plans.specs]
    features = ordered[0] if len(ordered) == 1 else keras.layers.Concatenate()(ordered)
    probabilities = probabilities_of(features, model)
    named = keras.layers.Identity(name="probabilities")(probabilities)
    return keras.Model(image, named, name="featx_model")


def _outputs(plan: Plan, image: Any, name: str) -> list[Any]:
    """Return the symbolic features of each set of a plan, ``(n, d)``."""
    keras = import_keras()
    backbone = build_backbone(plan.record, plan.weights, plan.spec.image_size)
    outputs = [pooled(find_layer(backbone, o.layer).output, o) for o in plan.network.outputs]
    features = keras.Model(backbone.input, outputs, name=name)
    features.trainable = False
    vectors = features(find_preprocess(plan.record.preprocess)(image))
    return vectors if isinstance(vectors, list) else [vectors]


def build_head(model: Model) -> Any:
    """Build the ``keras.Model`` of the head alone: features ``(n, d)`` to probabilities."""
    keras = import_keras()
    features = keras.Input((model.head.n_features_in_,), dtype="float32", name="features")
    named = keras.layers.Identity(name="probabilities")(probabilities_of(features, model))
    return keras.Model(features, named, name="head")
