"""Cutting a backbone in two: what stays as it is, and the tail that is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import ConfigError
from ...extractor.backbones import build_backbone, find_layer
from ...extractor.backbones.tuned import TailWeights
from ...extractor.engines.keras import pooled
from ...extractor.engines.keras_import import import_keras
from ...extractor.plan import Plan

N_SHOWN = 6


@dataclass(frozen=True)
class Tail:
    """The last layers of a backbone.

    Attributes
    ----------
    model : keras.Model
        From a layer's output ``(n, *map_shape)`` to features ``(n, d)``.
    layers : tuple of keras.layers.Layer
        Those of ``model`` that have weights.
    map_shape : tuple of int
    layer : str
        Whose output ``model`` takes.
    base_digest : str
        SHA-256, hexadecimal, of the backbone's weights.
    """

    model: Any
    layers: tuple[Any, ...]
    map_shape: tuple[int, ...]
    layer: str
    base_digest: str

    def weights(self) -> TailWeights:
        """Return what the layers' weights are now."""
        return TailWeights.of(self.layers, self.layer, self.base_digest)

    def features(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the features ``(n, d)`` of outputs of the layer ``(n, *map_shape)``."""
        features: NDArray[np.float32] = np.asarray(self.model.predict_on_batch(maps), np.float32)
        return features


def cut_tail(plan: Plan, layer: str) -> Tail:
    """Build the part of a backbone between a layer's output and the features.

    Parameters
    ----------
    plan : Plan
        Of the features.
    layer : str

    Raises
    ------
    ConfigError
        The backbone is a graph, or the layers after ``layer`` take more than its output.
    UnknownBackboneError
        There is no such layer.
    """
    if plan.record.graph:
        raise ConfigError(
            f"{plan.record.name} is an ONNX or OpenVINO graph and cannot be trained. For a head on "
            "the features that are there, type `featx sweep`. To fine-tune, take a Keras backbone, "
            "which `featx backbones` lists: `featx extract PHOTOS --backbone efficientnet_lite0`, "
            "then `featx finetune --from block6d_add`"
        )
    keras = import_keras()
    backbone = build_backbone(plan.record, plan.weights, plan.spec.image_size)
    (output,) = plan.network.outputs
    front = find_layer(backbone, layer).output
    end = find_layer(backbone, output.layer).output
    if front is end:
        raise ConfigError(f"nothing is left to train after {layer!r}: {_examples(backbone)}")
    try:
        model = keras.Model(front, pooled(end, output), name="tail")
    except ValueError as error:
        raise ConfigError(
            f"the layers after {layer!r} take more than its output, or lie before it. Name one "
            f"that all data goes through. {_examples(backbone)}"
        ) from error
    trained = tuple(found for found in model.layers if found.weights)
    if not trained:
        raise ConfigError(f"no layer after {layer!r} has weights. {_examples(backbone)}")
    return Tail(model, trained, tuple(front.shape[1:]), layer, plan.weights.digest)


def _examples(backbone: Any) -> str:
    """Name the last layers that all data goes through: the ends of the residual blocks."""
    joins = [found.name for found in backbone.layers if type(found).__name__ == "Add"]
    names = joins or [found.name for found in backbone.layers if found.weights]
    return f"Such are the ends of its last blocks: {', '.join(names[-N_SHOWN:])}"
