"""The one-vs-one kernel SVM as a Keras graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...heads.svm.one_vs_one import pairs
from .graph_layers import (
    Arrays,
    dense,
    log_sigmoid,
    one_hot_of_largest,
    row_sum,
    standardised,
)


def kernel_svm(features: Any, arrays: Arrays, params: Mapping[str, Any]) -> Any:
    """Logits of an RBF SVM: kernel with each support vector, pair decisions, coupled pairs."""
    from keras import ops

    vectors, gamma = arrays["support_vectors"].astype(np.float64), float(arrays["gamma"])
    scaled = standardised(features, arrays)
    crossed = dense(scaled, 2 * gamma * vectors.T, -gamma * np.square(vectors).sum(axis=1))
    kernel = ops.exp(ops.minimum(crossed - gamma * row_sum(ops.square(scaled)), 0.0))
    decisions = dense(kernel, _pair_matrix(arrays), arrays["intercept"])
    factor, n_classes = float(arrays["temperature"]), len(arrays["classes"])
    if n_classes == 2:
        return dense(decisions, np.array([[0.0, -factor]]), np.zeros(2))
    return factor * _coupled(decisions, n_classes)


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
    """The logits of ``couple_pairs``: best class and voted class exchanged."""
    first, second = _pair_members(n_classes)
    wins, no_bias = log_sigmoid(2.0 * decisions), np.zeros(n_classes)
    logits = dense(wins, first + second, no_bias) - dense(decisions, 2 * second, no_bias)
    voted = one_hot_of_largest(_votes(decisions, n_classes))
    best = one_hot_of_largest(logits)
    gap = row_sum(logits * (best - voted))
    return logits - (best - voted) * gap


def _votes(decisions: Any, n_classes: int) -> Any:
    """The votes and confidences of ``votes_of_pairs``."""
    from keras import ops

    first, second = _pair_members(n_classes)
    loses = ops.cast(ops.less(decisions, 0.0), "float32")
    votes = dense(loses, second - first, first.sum(axis=0))
    confidence = dense(decisions, first - second, np.zeros(n_classes))
    return votes + confidence / (3.0 * (ops.absolute(confidence) + 1.0))


def _pair_members(n_classes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return which class is first, and which second, in each pair: two of ``(p, n_classes)``."""
    members = np.array(list(pairs(n_classes)))
    return np.eye(n_classes)[members[:, 0]], np.eye(n_classes)[members[:, 1]]
