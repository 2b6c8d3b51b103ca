"""Building a frozen backbone with its weights, on any Keras backend."""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import WeightsNotFoundError
from .layers import name_as_in_a_new_session
from .load import load_weights
from .model_file import load_model
from .record import BackboneRecord
from .tuned import TailWeights
from .weights import IMAGENET, Weights, find_weights


def build_backbone(record: BackboneRecord, weights: Weights, image_size: tuple[int, int]) -> Any:
    """Build the ``keras.Model`` of a backbone and load its weights.

    The model takes preprocessed float32 ``(n, height, width, 3)``.

    Raises
    ------
    WeightsMismatchError
        The file does not fit the backbone.
    """
    model = _with_its_weights(record, weights, image_size)
    if weights.tail is not None:
        TailWeights.read(weights.tail).apply(model)
    return model


def _with_its_weights(record: BackboneRecord, weights: Weights, image_size: tuple[int, int]) -> Any:
    if record.path is not None:
        return load_model(record.path, image_size)
    if weights.is_absent and record.has_weights:
        weights = _found(record, weights)
    if weights.path is None:
        model = build_architecture(record, weights.include_top, image_size)
        set_random_weights(model, weights.seed or 0)
        return model
    return load_weights(record, weights.path, weights.include_top, image_size, build_architecture)


def _found(record: BackboneRecord, wanted: Weights) -> Weights:
    """Return the published weights where those of a packed network are they."""
    if record.builder:
        weights = find_weights(record, IMAGENET, wanted.include_top)
        tail = TailWeights.read(wanted.tail) if wanted.tail else None
        if weights.digest == (tail.base_digest if tail else wanted.digest):
            return weights
    raise WeightsNotFoundError(
        f"the model brings its network for OpenVINO only, and this machine has no weights of "
        f"{record.name} that are the model's: use --engine openvino, or say where they are with "
        "--weights"
    )


def build_architecture(
    record: BackboneRecord, include_top: bool, image_size: tuple[int, int]
) -> Any:
    """Build a known backbone as its publisher does, with Keras' initial weights."""
    shape = (*image_size, 3)
    module, function = record.builder.split(":")
    if record.is_embedded:
        package = importlib.import_module(f".{module}", __package__)
        return getattr(package, function)(include_top=include_top, input_shape=shape)
    import keras

    builder = getattr(keras.applications, function)
    pooling = None if include_top else record.pooling
    model = builder(weights=None, include_top=include_top, input_shape=shape, pooling=pooling)
    name_as_in_a_new_session(model)
    return model


def set_random_weights(model: Any, seed: int) -> None:
    """Give ``model`` He-normal weights (He et al., arXiv:1502.01852), equal on every backend.

    Biases and means become 0, gains and variances 1; kernels are drawn in the order of the model's
    layers from NumPy's PCG64.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    for layer in model.layers:
        layer.set_weights([_draw(rng, layer, variable) for variable in layer.weights])


def _draw(rng: np.random.Generator, layer: Any, variable: Any) -> NDArray[np.float32]:
    shape = tuple(int(n) for n in variable.shape)
    if len(shape) < 2:
        is_one = any(mark in variable.path for mark in ("gamma", "variance"))
        return np.full(shape, 1.0 if is_one else 0.0, np.float32)
    depthwise = "depthwise" in f"{type(layer).__name__}/{variable.path}".lower()
    fan_in = math.prod(shape[:2]) if depthwise else math.prod(shape[:-1])
    return (rng.standard_normal(shape) * math.sqrt(2.0 / fan_in)).astype(np.float32)
