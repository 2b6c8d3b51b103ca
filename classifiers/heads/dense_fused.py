"""A step of AdamW in one pass over the weights, by TensorFlow's own kernel.

Keras writes Adam as a dozen operations, each of which reads and writes whole arrays. This is the
one place where a dense head calls TensorFlow itself; other backends compile Keras' operations into
one pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# Weights decay every so many steps at once, as long as they shrink by less than this by then.
MOST_STEPS = 64
MOST_SHRINKING = 2.0**-17


@dataclass(frozen=True)
class Rates:
    """One model's rates.

    Attributes
    ----------
    rate : tf.Tensor
        Learning rate; 0 for a model that has stopped.
    decay : float
        Weight decay.
    planned : float
        Learning rate of a model that has not.
    """

    rate: Any
    decay: float
    planned: float

    @property
    def n_steps(self) -> int:
        """After how many steps the weights decay."""
        return max(1, min(MOST_STEPS, int(MOST_SHRINKING / (self.decay * self.planned))))


def adamw_step(
    optimizer: Any, variable: Any, moments: Sequence[Any], gradient: Any, rates: Rates
) -> None:
    """Update one variable and its moments.

    A decay of a ten-millionth a step, as AdamW's usual parameters make it, is less than float32 can
    tell from none: several steps' decay at once is the exacter way.

    Parameters
    ----------
    optimizer : keras.optimizers.Adam
        Has the parameters of Adam and the number of steps so far.
    variable : tf.Variable
    moments : sequence of keras.Variable
        The means of the gradients and of their squares.
    gradient : tf.Tensor
    rates : Rates
    """
    import tensorflow as tf

    iterations = tf.convert_to_tensor(optimizer.iterations.value)
    step = tf.cast(iterations + 1, tf.float32)
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=moments[0].value.handle,
        v=moments[1].value.handle,
        beta1_power=tf.pow(optimizer.beta_1, step),
        beta2_power=tf.pow(optimizer.beta_2, step),
        lr=rates.rate,
        beta1=optimizer.beta_1,
        beta2=optimizer.beta_2,
        epsilon=optimizer.epsilon,
        grad=gradient,
    )
    if not rates.decay:
        return
    n_steps = rates.n_steps
    tf.cond(
        tf.equal((iterations + 1) % n_steps, 0),
        lambda: variable.assign(variable * (1 - rates.rate * (rates.decay * n_steps))),
        lambda: tf.convert_to_tensor(variable),
    )
