"""Building a frozen backbone with its weights, on any Keras backend."""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import UnknownBackboneError, WeightsMismatchError
from ...cache.suggest import did_you_mean
from .table import BackboneRecord
from .weights import Weights


def build_backbone(record: BackboneRecord, weights: Weights, image_size: tuple[int, int]) -> Any:
    """Build the ``keras.Model`` of a backbone and load its weights.

    The model takes preprocessed float32 ``(n, height, width, 3)``.

    Raises
    ------
    WeightsMismatchError
        The file does not fit the backbone.
    """
    model = _build(record, weights.include_top, image_size)
    if weights.path is None:
        set_random_weights(model, weights.seed or 0)
        return model
    try:
        model.load_weights(str(weights.path))
    except (ValueError, OSError, KeyError, TypeError) as error:
        top = "with" if weights.include_top else "without"
        raise WeightsMismatchError(
            f"{weights.path} does not fit {record.name} {top} its top: {_first_line(error)}. "
            "Expected a Keras weights file of exactly this architecture"
        ) from error
    return model


def find_layer(model: Any, name: str) -> Any:
    """Return a layer of ``model``; raises UnknownBackboneError with close matches."""
    names = [layer.name for layer in model.layers]
    if name not in names:
        raise UnknownBackboneError(
            f"{model.name} has no layer {name!r}. {did_you_mean(name, names)}"
        )
    return model.get_layer(name)


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


def _build(record: BackboneRecord, include_top: bool, image_size: tuple[int, int]) -> Any:
    shape = (*image_size, 3)
    module, function = record.builder.split(":")
    if module == "featx":
        ours = importlib.import_module(f".{function}", __package__)
        return ours.build(include_top=include_top, input_shape=shape)
    import keras

    builder = getattr(getattr(keras.applications, module), function)
    return builder(weights=None, include_top=include_top, input_shape=shape)


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:300]
