"""A step of AdamW in one pass over the weights, compiled by TensorFlow.

Keras writes Adam as a dozen operations, each of which reads and writes whole arrays. This is the
one place where a dense head calls TensorFlow itself; other backends compile Keras' operations into
one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any


def adamw_step(
    optimizer: Any,
    variable: Any,
    state: Sequence[Any],
    gradient: Any,
    rates: tuple[Any, Any],
) -> None:
    """Update one variable and its moments.

    Parameters
    ----------
    optimizer : keras.optimizers.Adam
        Has the parameters of Adam and the number of steps so far.
    variable : tf.Variable
        What the network multiplies with, of bfloat16 or float32.
    state : sequence of keras.Variable
        The weights in float32 (the variable itself if that is their format), and the means of the
        gradients and of their squares.
    gradient : tf.Tensor
        Of the variable's format.
    rates : tuple of tf.Tensor
        The learning rate, and what the weights shrink by.
    """
    import tensorflow as tf

    rate, shrink = rates
    step = tf.cast(tf.convert_to_tensor(optimizer.iterations.value) + 1, tf.float32)
    corrected = tf.sqrt(1 - tf.pow(optimizer.beta_2, step)) / (1 - tf.pow(optimizer.beta_1, step))
    betas = (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon)
    arrays = [array.value for array in state]
    _compiled(*betas)(variable, *arrays, gradient, rate * corrected, shrink)


@cache
def _compiled(beta_1: float, beta_2: float, epsilon: float) -> Callable[..., None]:
    import tensorflow as tf

    def step(
        variable: Any, weights: Any, mean: Any, square: Any, gradient: Any, rate: Any, shrink: Any
    ) -> None:
        gradient = tf.cast(gradient, tf.float32)
        new_mean = mean + (gradient - mean) * (1 - beta_1)
        new_square = square + (gradient * gradient - square) * (1 - beta_2)
        new = weights * shrink - new_mean * rate / (tf.sqrt(new_square) + epsilon)
        mean.assign(new_mean)
        square.assign(new_square)
        weights.assign(new)
        if variable.dtype != weights.dtype:
            variable.assign(tf.cast(new, variable.dtype))

    compiled: Callable[..., None] = tf.function(step, jit_compile=True)
    return compiled
