"""A network that is ready to learn classes from batches, on whichever backend Keras runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...extractor.engines.keras_import import import_keras

AHEAD = 16
"""Steps that JAX is handed before the result of the first of them is waited for."""

Result = tuple[Mapping[str, Any], float]
"""What a step says of loss and accuracy, and what its samples count together."""


@dataclass(frozen=True)
class Batch:
    """Samples that a network learns from, or is judged on, in one step.

    Attributes
    ----------
    x : ndarray of float32, shape (n, ...)
    y : ndarray of int64, shape (n,), or of float32, shape (n, n_classes)
        Class indices, or what share of each class a sample is; of two classes with one logit, the
        share of the second alone, shape (n,).
    weight : ndarray of float32, shape (n,), or None
        What each sample counts.
    rate : float or None
        The learning rate of the step; by default the optimiser's own.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64] | NDArray[np.float32]
    weight: NDArray[np.float32] | None = None
    rate: float | None = None

    @property
    def targets(self) -> NDArray[np.float32]:
        """The classes as Keras' losses take them."""
        return self.y.astype(np.float32)

    @property
    def counts(self) -> float:
        """What all samples count together."""
        return float(len(self.y) if self.weight is None else self.weight.sum())


def make_learner(network: Any, optimiser: Any, *, takes_shares: bool = False) -> Learner:
    """Return what trains a ``keras.Model`` that ends in logits; one logit is two classes.

    ``takes_shares``: the ``y`` of its batches are shares of classes, not indices.
    """
    is_jax = import_keras().backend.backend() == "jax"
    return (JaxLearner if is_jax else Learner)(network, optimiser, takes_shares)


class Learner:
    """Trains and judges a network by Keras' own steps, with cross-entropy for its loss.

    Parameters
    ----------
    network : keras.Model
        From samples to logits, float32.
    optimiser : keras.optimizers.Optimizer
        Built for the network's variables.
    takes_shares : bool
        Whether batches have shares of classes for ``y``; a sample's class is then the largest.
    """

    def __init__(self, network: Any, optimiser: Any, takes_shares: bool = False) -> None:
        keras = import_keras()
        losses = keras.losses
        self.network, self.optimiser, self.takes_shares = network, optimiser, takes_shares
        self.is_binary = network.output_shape[-1] == 1
        several = (
            losses.CategoricalCrossentropy if takes_shares else losses.SparseCategoricalCrossentropy
        )
        self.loss = (losses.BinaryCrossentropy if self.is_binary else several)(from_logits=True)
        accuracy = keras.metrics.MeanMetricWrapper(self._is_right, name="accuracy")
        # XLA compiles convolutions for processors to code that is several times slower than what
        # TensorFlow runs by itself; JAX has nothing else.
        jit = "auto" if keras.backend.backend() == "jax" else False
        network.compile(optimiser, self.loss, weighted_metrics=[accuracy], jit_compile=jit)

    def _is_right(self, y: Any, logits: Any) -> Any:
        """Return 1 for each sample whose class the network says, else 0: float32, shape (n,)."""
        ops = import_keras().ops
        if self.is_binary:
            said, true = logits[:, 0] > 0, ops.reshape(y, (-1,)) > 0.5
        else:
            said = ops.argmax(logits, -1)
            true = ops.argmax(y, -1) if self.takes_shares else ops.reshape(y, (-1,))
        return ops.cast(ops.equal(ops.cast(said, "int32"), ops.cast(true, "int32")), "float32")

    def train(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Learn from each batch in turn; return the means of loss and accuracy."""

        def step(batch: Batch) -> Result:
            if batch.rate is not None:
                self.optimiser.learning_rate = batch.rate
            x, y, weight = batch.x, batch.targets, batch.weight
            return self.network.train_on_batch(x, y, weight, return_dict=True), batch.counts

        return _means(map(step, batches))

    def judge(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Return the means of loss and accuracy over batches that are not learned from."""

        def step(batch: Batch) -> Result:
            x, y, weight = batch.x, batch.targets, batch.weight
            return self.network.test_on_batch(x, y, weight, return_dict=True), batch.counts

        return _means(map(step, batches))


class JaxLearner(Learner):
    """Trains a network by JAX without Keras' steps, each of which assigns every variable anew.

    All variables stay on the device until the last batch, and steps are handed over before
    those before them are done.
    """

    def __init__(self, network: Any, optimiser: Any, takes_shares: bool = False) -> None:
        import jax

        super().__init__(network, optimiser, takes_shares)
        self._train_step = jax.jit(self._trained)
        self._judge_step = jax.jit(self._judged)

    def train(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Learn from each batch in turn; return the means of loss and accuracy."""
        network, optimiser = self.network, self.optimiser
        variables = (
            network.trainable_variables,
            network.non_trainable_variables,
            optimiser.variables,
        )
        state = tuple([variable.value for variable in kind] for kind in variables)
        (i_rate,) = (i for i, v in enumerate(optimiser.variables) if v is optimiser.learning_rate)

        def step(batch: Batch) -> Result:
            nonlocal state
            if batch.rate is not None:
                state[2][i_rate] = np.float32(batch.rate)
            logs, state = self._train_step(state, *_arguments(batch))
            return logs, batch.counts

        means = _means(_behind(map(step, batches)))
        for kind, values in zip(variables, state, strict=True):
            for variable, value in zip(kind, values, strict=True):
                variable.assign(value)
        return means

    def judge(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Return the means of loss and accuracy over batches that are not learned from."""
        trainable = [variable.value for variable in self.network.trainable_variables]
        others = [variable.value for variable in self.network.non_trainable_variables]

        def step(batch: Batch) -> Result:
            return self._judge_step(trainable, others, *_arguments(batch)), batch.counts

        return _means(_behind(map(step, batches)))

    def _judged(self, trainable: Any, others: Any, x: Any, y: Any, weight: Any) -> Any:
        logits, _ = self.network.stateless_call(trainable, others, x, training=False)
        return {"loss": self.loss(y, logits, weight), **self._accuracy(y, logits, weight)}

    def _trained(self, state: Any, x: Any, y: Any, weight: Any) -> Any:
        import jax

        def loss(trainable: Any, others: Any) -> Any:
            logits, others = self.network.stateless_call(trainable, others, x, training=True)
            return self.loss(y, logits, weight), (logits, others)

        trainable, others, steps = state
        derive = jax.value_and_grad(loss, has_aux=True)
        (value, (logits, others)), gradients = derive(trainable, others)
        trainable, steps = self.optimiser.stateless_apply(steps, gradients, trainable)
        logs = {"loss": value, **self._accuracy(y, logits, weight)}
        return logs, (trainable, others, steps)

    def _accuracy(self, y: Any, logits: Any, weight: Any) -> dict[str, Any]:
        import jax.numpy as jnp

        n_right = (weight * self._is_right(y, logits)).sum()
        return {"accuracy": n_right / jnp.maximum(weight.sum(), 1e-12)}


def _arguments(batch: Batch) -> tuple[NDArray[np.float32], ...]:
    """Return samples, classes and weights; all batches of a size are of one compiled function."""
    weight = np.ones(len(batch.y), np.float32) if batch.weight is None else batch.weight
    return batch.x, batch.targets, weight


def _behind(results: Iterable[Result]) -> Iterator[Result]:
    """Yield results a number of steps late, when they are likely to be there."""
    waiting: deque[Result] = deque()
    for result in results:
        waiting.append(result)
        if len(waiting) > AHEAD:
            yield waiting.popleft()
    yield from waiting


def _means(results: Iterable[Result]) -> dict[str, float]:
    """Return the means of batches' losses and accuracies, each batch by what its samples count."""
    sums, weight = {"loss": 0.0, "accuracy": 0.0}, 0.0
    for logs, counts in results:
        for name in sums:
            sums[name] += counts * float(logs[name])
        weight += counts
    return {name: total / max(weight, 1e-12) for name, total in sums.items()}
