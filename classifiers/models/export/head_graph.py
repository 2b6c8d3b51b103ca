"""Heads as Keras graphs: the same numbers as the NumPy heads, in layers that any runtime has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...heads.closed_form.random_matrix import RandomMatrix
from ...heads.registry import find_head
from ..model import Model
from .graph_layers import Arrays, centred, dense, standardised, unit_rows


def probabilities_of(features: Any, model: Model) -> Any:
    """Return the symbolic class probabilities ``(n, n_classes)`` of symbolic features.

    The model's thresholds weigh them, so that the largest is what the model decides for.
    """
    import keras

    arrays, params = model.head.get_arrays(), model.head.get_json_params()
    if "columns" in arrays:
        features = keras.ops.take(features, arrays["columns"].astype(np.int32), axis=1)
    logits = find_head(model.head_name).load_graph()(features, arrays, params)
    probabilities = keras.layers.Softmax(name="head_classes")(logits)
    n_classes, classes = len(model.class_names), arrays["classes"]
    if len(classes) == n_classes and not model.decision:
        return probabilities
    columns = np.zeros((len(classes), n_classes))
    factors = np.asarray(model.decision.get("factors", np.ones(n_classes)), np.float64)
    columns[np.arange(len(classes)), classes] = factors[classes] / factors.max()
    weighed = dense(probabilities, columns, np.zeros(n_classes))
    if not model.decision:
        return weighed
    return weighed / keras.ops.sum(weighed, axis=1, keepdims=True)


def linear(features: Any, arrays: Arrays, params: Mapping[str, Any]) -> Any:
    """Logits of a linear decision times the temperature."""
    kernel = arrays["coef"].T * float(arrays["temperature"])
    bias = arrays["intercept"] * float(arrays["temperature"])
    values, scale = centred(features, arrays)
    return dense(values, *_two_columns(kernel / scale[:, None], bias))


def random_projection(features: Any, arrays: Arrays, params: Mapping[str, Any]) -> Any:
    """Logits of a linear decision on random features with a ReLU."""
    values, scale = centred(features, arrays)
    width = arrays["coef"].shape[1]
    matrix = RandomMatrix(int(arrays["seed"]), int(arrays["n_inputs"]), width)
    projection = matrix.array / scale[:, None]
    hidden = dense(values, projection, np.zeros(projection.shape[1]), "relu")
    factor = float(arrays["temperature"])
    return dense(hidden, *_two_columns(arrays["coef"].T * factor, arrays["intercept"] * factor))


def centroid(features: Any, arrays: Arrays, params: Mapping[str, Any]) -> Any:
    """Negative squared distances up to a row's own constant, which the softmax cancels."""
    centroids, factor = arrays["centroids"].astype(np.float64), float(arrays["temperature"])
    kernel, bias = 2 * factor * centroids.T, -factor * np.square(centroids).sum(axis=1)
    scaled = standardised(features, arrays)
    if params["metric"] == "cosine":
        scaled = unit_rows(scaled)
    return dense(scaled, kernel, bias)


def network(features: Any, arrays: Arrays, params: Mapping[str, Any]) -> Any:
    """Logits of dense layers with ReLU between them."""
    values, scale = centred(features, arrays)
    n_layers = sum(name.startswith("kernel_") for name in arrays)
    for i in range(n_layers):
        kernel, bias = arrays[f"kernel_{i}"], arrays[f"bias_{i}"]
        kernel = kernel if i else kernel / scale[:, None]
        values = dense(values, kernel, bias, "relu" if i < n_layers - 1 else None)
    return values


def _two_columns(
    kernel: NDArray[Any], bias: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the first of two classes the logit 0, so that a softmax is the second's sigmoid."""
    if kernel.shape[1] > 1:
        return kernel, bias
    return np.hstack([np.zeros_like(kernel), kernel]), np.array([0.0, bias[0]])
