"""Keras layers with given weights, and float32 operations that every exported format has.

Each runtime lacks some operations: ``argmax`` of Keras becomes a bit cast, which ONNX has not, and
``log_sigmoid`` a softplus, which TensorFlow Lite has not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]


def dense(values: Any, kernel: Any, bias: Any, activation: str | None = None) -> Any:
    """Return ``values @ kernel + bias``, ``(n, kernel.shape[1])``, after the activation."""
    import keras

    layer = keras.layers.Dense(kernel.shape[1], activation=activation)
    result = layer(values)
    layer.set_weights([kernel.astype(np.float32), bias.astype(np.float32)])
    return result


def lookup(indices: Any, table: NDArray[Any]) -> Any:
    """Return the rows of ``table`` at ``indices``, ``(n, k, table.shape[1])``."""
    import keras

    layer = keras.layers.Embedding(*table.shape)
    rows = layer(indices)
    layer.set_weights([table.astype(np.float32)])
    return rows


def centred(features: Any, arrays: Arrays) -> tuple[Any, NDArray[np.float64]]:
    """Return features less the scaler's mean, and the scale that the next kernel is divided by.

    The mean is not folded into a bias: where a feature hardly varies, that would subtract two
    large numbers and lose the little that is there.
    """
    import keras

    if "mean" not in arrays:
        return features, np.ones(int(features.shape[-1]))
    shift = keras.layers.Rescaling(1.0, (-arrays["mean"].astype(np.float64)).tolist())
    return shift(features), arrays["scale"].astype(np.float64)


def standardised(features: Any, arrays: Arrays) -> Any:
    """Return features as the head's scaler leaves them."""
    import keras

    if "mean" not in arrays:
        return features
    values, scale = centred(features, arrays)
    return keras.layers.Rescaling((1 / scale).tolist())(values)


def unit_rows(values: Any) -> Any:
    """Return rows of length 1; a row of zeros stays."""
    from keras import ops

    squared = row_sum(ops.square(values))
    is_zero = ops.cast(ops.equal(squared, 0.0), "float32")
    return values / ops.sqrt(squared + is_zero)


def row_sum(values: Any) -> Any:
    """Return the sum of each row, ``(n, 1)``."""
    from keras import ops

    return ops.sum(values, axis=-1, keepdims=True)


def log_sigmoid(values: Any) -> Any:
    """Return the logarithm of the sigmoid."""
    from keras import ops

    tail = ops.log(1.0 + ops.exp(-ops.absolute(values)))
    return ops.minimum(values, 0.0) - tail


def one_hot_of_largest(values: Any) -> Any:
    """Return 1 at the first largest value of each row and 0 elsewhere, ``(n, k)``."""
    from keras import ops

    _, indices = ops.top_k(values, k=1)
    return ops.one_hot(ops.squeeze(indices, axis=-1), int(values.shape[-1]))
