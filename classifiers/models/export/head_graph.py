"""Heads as Keras graphs: the same numbers as the NumPy heads, in layers that any runtime has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...heads.registry import find_head
from ...heads.svm.one_vs_one import pairs
from ..model import Model

Arrays = Mapping[str, NDArray[Any]]


def probabilities_of(features: Any, model: Model) -> Any:
    """Return the symbolic class probabilities ``(n, n_classes)`` of symbolic features.

    Raises
    ------
    ConfigError
        The head cannot become a graph.
    """
    arrays, params = model.head.get_arrays(), model.head.get_json_params()
    logits = find_head(model.head_name).load_graph()(features, arrays, params)
    known = _keras().layers.Softmax(name="known_classes")(logits)
    n_classes, classes = len(model.class_names), arrays["classes"]
    if len(classes) == n_classes:
        return known
    place = np.zeros((len(classes), n_classes))
    place[np.arange(len(classes)), classes] = 1
    return _dense(known, place, np.zeros(n_classes))


def linear(features: Any, arrays: Arrays, params: Mapping[str, Any]) -> Any:
    """Logits of a linear decision times the temperature."""
    kernel = arrays["coef"].T * float(arrays["temperature"])
    bias = arrays["intercept"] * float(arrays["temperature"])
    centred, scale = _centred(features, arrays)
    return _dense(centred, *_two_columns(kernel / scale[:, None], bias))


def centroid(features: Any, arrays: Arrays, params: Mapping[str, Any]) -> Any:
    """Negative squared distances up to a row's own constant, which the softmax cancels."""
    centroids, factor = arrays["centroids"].astype(np.float64), float(arrays["temperature"])
    kernel, bias = 2 * factor * centroids.T, -factor * np.square(centroids).sum(axis=1)
    centred, scale = _centred(features, arrays)
    if params["metric"] == "cosine":
        scaled = _rescaled(centred, 1 / scale)
        return _dense(_keras().layers.UnitNormalization()(scaled), kernel, bias)
    return _dense(centred, kernel / scale[:, None], bias)


def network(features: Any, arrays: Arrays, params: Mapping[str, Any]) -> Any:
    """Logits of dense layers with ReLU between them."""
    values, scale = _centred(features, arrays)
    n_layers = sum(name.startswith("kernel_") for name in arrays)
    for i in range(n_layers):
        kernel, bias = arrays[f"kernel_{i}"], arrays[f"bias_{i}"]
        kernel = kernel if i else kernel / scale[:, None]
        values = _dense(values, kernel, bias, "relu" if i < n_layers - 1 else None)
    return values


def kernel_svm(features: Any, arrays: Arrays, params: Mapping[str, Any]) -> Any:
    """The machine of ``heads.machine``: kernel, pair decisions, coupled pairs."""
    ops = _keras().ops
    vectors, gamma = arrays["support_vectors"].astype(np.float64), float(arrays["gamma"])
    centred, scale = _centred(features, arrays)
    scaled = _rescaled(centred, 1 / scale)
    crossed = _dense(scaled, 2 * gamma * vectors.T, -gamma * np.square(vectors).sum(axis=1))
    own = ops.sum(ops.square(scaled), axis=-1, keepdims=True)
    kernel = ops.exp(ops.minimum(crossed - gamma * own, 0.0))
    factor = float(arrays["temperature"])
    decisions = _dense(kernel, _pair_matrix(arrays), arrays["intercept"])
    if len(arrays["classes"]) == 2:
        return _dense(decisions, np.array([[0.0, -factor]]), np.zeros(2))
    return factor * _coupled(decisions, len(arrays["classes"]))


def _pair_matrix(arrays: Arrays) -> NDArray[np.float64]:
    """Return the coefficient of each support vector in each pair's decision, ``(s, p)``."""
    counts, dual = arrays["n_support"], arrays["dual_coef"]
    owners = np.repeat(np.arange(len(counts)), counts)
    columns = [
        np.where(owners == i, dual[j - 1], 0.0) + np.where(owners == j, dual[i], 0.0)
        for i, j in pairs(len(counts))
    ]
    return np.stack(columns, axis=1)


def _coupled(decisions: Any, n_classes: int) -> Any:
    """The logits of ``heads.machine.couple_pairs``: best class and voted class exchanged."""
    ops = _keras().ops
    first, second = _pair_members(n_classes)
    wins = ops.log_sigmoid(2.0 * decisions)
    nothing = np.zeros(n_classes)
    logits = _dense(wins, first + second, nothing) - _dense(decisions, 2 * second, nothing)
    voted = ops.one_hot(ops.argmax(_votes(decisions, n_classes), axis=-1), n_classes)
    best = ops.one_hot(ops.argmax(logits, axis=-1), n_classes)
    gap = ops.sum(logits * (best - voted), axis=-1, keepdims=True)
    return logits - (best - voted) * gap


def _votes(decisions: Any, n_classes: int) -> Any:
    ops = _keras().ops
    first, second = _pair_members(n_classes)
    loses = ops.cast(ops.less(decisions, 0.0), "float32")
    votes = _dense(loses, second - first, first.sum(axis=0))
    confidence = _dense(decisions, first - second, np.zeros(n_classes))
    return votes + confidence / (3.0 * (ops.absolute(confidence) + 1.0))


def _pair_members(n_classes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return which class is first, and which second, in each pair: two of ``(p, n_classes)``."""
    members = np.array(list(pairs(n_classes)))
    return np.eye(n_classes)[members[:, 0]], np.eye(n_classes)[members[:, 1]]


def _centred(features: Any, arrays: Arrays) -> tuple[Any, NDArray[np.float64]]:
    """Return features less the scaler's mean, and the scale that the next kernel is divided by.

    The mean is not folded into a bias: where a feature hardly varies, that would subtract two
    large numbers and lose the little that is there.
    """
    if "mean" not in arrays:
        return features, np.ones(int(features.shape[-1]))
    centred = _keras().layers.Rescaling(1.0, (-arrays["mean"].astype(np.float64)).tolist())
    return centred(features), arrays["scale"].astype(np.float64)


def _rescaled(values: Any, factors: NDArray[np.float64]) -> Any:
    return _keras().layers.Rescaling(factors.tolist())(values)


def _two_columns(
    kernel: NDArray[Any], bias: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the first of two classes the logit 0, so that a softmax is the second's sigmoid."""
    if kernel.shape[1] > 1:
        return kernel, bias
    return np.hstack([np.zeros_like(kernel), kernel]), np.array([0.0, bias[0]])


def _dense(values: Any, kernel: Any, bias: Any, activation: str | None = None) -> Any:
    layer = _keras().layers.Dense(kernel.shape[1], activation=activation)
    result = layer(values)
    layer.set_weights([kernel.astype(np.float32), bias.astype(np.float32)])
    return result


def _keras() -> Any:
    import keras

    return keras
