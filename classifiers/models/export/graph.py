"""One Keras model from uint8 pixels to class probabilities."""

from __future__ import annotations

from typing import Any

from ....extractor.backbones import build_backbone, find_layer, find_preprocess
from ....extractor.engines.keras import pooled
from ....extractor.engines.keras_import import import_keras
from ....extractor.plan import Plan
from ..model import Model
from .head_graph import probabilities_of


def build_graph(model: Model, plan: Plan) -> Any:
    """Build the ``keras.Model``: ``image`` uint8 ``(n, h, w, 3)`` to ``probabilities``.

    It is made of layers and operations of Keras alone, so that it loads where featx is not
    installed.

    Raises
    ------
    ConfigError
        The head cannot become a graph.
    """
    keras = import_keras()
    size = plan.spec.image_size
    backbone = build_backbone(plan.record, plan.weights, size)
    (output,) = plan.network.outputs
    layer = find_layer(backbone, output.layer)
    features = keras.Model(backbone.input, pooled(layer.output, output), name="features")
    features.trainable = False
    image = keras.Input((*size, 3), dtype="uint8", name="image")
    prepared = find_preprocess(plan.record.preprocess)(image)
    probabilities = probabilities_of(features(prepared), model)
    named = keras.layers.Identity(name="probabilities")(probabilities)
    return keras.Model(image, named, name="featx_model")


def build_head(model: Model) -> Any:
    """Build the ``keras.Model`` of the head alone: features ``(n, d)`` to probabilities."""
    keras = import_keras()
    features = keras.Input((model.head.n_features_in_,), dtype="float32", name="features")
    named = keras.layers.Identity(name="probabilities")(probabilities_of(features, model))
    return keras.Model(features, named, name="head")
