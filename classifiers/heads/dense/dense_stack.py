"""Several dense networks as one Keras program, on whichever backend Keras runs.

Import it only after ``import_keras``: it loads Keras.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import keras
import numpy as np
from keras import ops

from ..row_blocks import Floats
from .dense_plan import Layers, Plan, glorot_uniform

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """Where models stand in a stacked variable: models ``models`` of the program along ``axis``."""

    models: slice
    axis: int
    ndim: int

    def spread(self, values: Any) -> Any:
        """Shape one number per model so that it multiplies the variable model by model."""
        shape = [1] * self.ndim
        shape[self.axis] = self.models.stop - self.models.start
        return ops.reshape(values[self.models], shape)


class Stack(keras.layers.Layer):  # type: ignore[misc]
    """Networks of one architecture, whose weights have an axis for the model.

    The first kernel is ``(n_features, m, h)``: its product with a batch is one wide matrix product
    for all models, which is why they share what dropout does to the features. The other kernels
    are ``(m, h, k)``, the biases ``(m, h)``. All is float32: rounding to less would drive a model
    that trains in company away from the same model alone.

    Parameters
    ----------
    plans : sequence of Plan
        Of one ``architecture``.
    n_classes : int
    first : int
        Number of the first model in the program.
    """

    def __init__(self, plans: Sequence[Plan], n_classes: int, first: int) -> None:
        super().__init__(dtype="float32")
        self.architecture = plans[0].architecture
        self.widths = (*plans[0].shape.hidden, n_classes)
        self.rates = np.array([plan.dropout_rates for plan in plans], np.float32).T
        self.models = slice(first, first + len(plans))
        self.seed = plans[0].seed
        self.places: list[Place] = []

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Add the weights; each model starts as it would alone."""
        n_inputs = int(input_shape[-1])
        self.kernels, self.biases = [], []
        self.draws = [
            keras.random.SeedGenerator(self.seed + i) if rates.any() else None
            for i, rates in enumerate(self.rates)
        ]
        for i, width in enumerate(self.widths):
            axis = 0 if i else 1
            start = glorot_uniform(n_inputs, width, self.seed, i)
            self.kernels.append(self._add(start, f"kernel_{i}", axis))
            self.biases.append(self._add(np.zeros(width, np.float32), f"bias_{i}", 0))
            n_inputs = width

    def _add(self, start: Floats, name: str, axis: int) -> Any:
        """Add a variable in which each model starts with the same values."""
        n_models = self.models.stop - self.models.start
        values = np.repeat(np.expand_dims(start, axis), n_models, axis)
        self.places.append(Place(self.models, axis, values.ndim))
        weight = self.add_weight(values.shape, "zeros", "float32", name=name)
        weight.assign(values)
        return weight

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return logits ``(n, m, n_classes)`` of features ``(n, n_features)``."""
        values = self._drop(inputs, 0) if training else inputs
        d, m, width = self.kernels[0].shape
        values = ops.matmul(values, ops.reshape(self.kernels[0], (d, m * width)))
        values = ops.reshape(values, (-1, m, width)) + self.biases[0]
        if len(self.kernels) == 1:
            return values
        values = ops.transpose(values, (1, 0, 2))
        for i, kernel in enumerate(self.kernels[1:], 1):
            values = ops.relu(values)
            values = self._drop(values, i) if training else values
            values = ops.matmul(values, kernel) + ops.expand_dims(self.biases[i], 1)
        return ops.transpose(values, (1, 0, 2))

    def _drop(self, values: Any, position: int) -> Any:
        """Silence units: one draw serves all models, each compares it with its own rate."""
        if self.draws[position] is None:
            return values
        rates = np.unique(self.rates[position][:1] if position == 0 else self.rates[position])
        if len(rates) > 1:
            rates = self.rates[position][:, None, None]
        draw = keras.random.uniform(ops.shape(values)[-2:], seed=self.draws[position])
        kept = ops.cast(draw >= ops.convert_to_tensor(rates), "float32")
        return values * (kept * ops.convert_to_tensor(1 / (1 - rates)))


class StackedAdamW(keras.optimizers.Adam):  # type: ignore[misc]
    """AdamW (Loshchilov & Hutter 2019) with a learning rate and weight decay for each model.

    Adam works number by number, so one step on the sum of all losses is each model's own step.

    Parameters
    ----------
    places : sequence of Place
        Of the trainable variables, in their order.
    plans : sequence of Plan
    """

    def __init__(self, places: Sequence[Place], plans: Sequence[Plan]) -> None:
        super().__init__(learning_rate=1.0)
        self._places = list(places)
        self._decays = np.array([plan.weight_decay for plan in plans], np.float32)
        self._rates = np.array([plan.lr for plan in plans], np.float32)
        self.rates = self.add_variable((len(plans),), name="rates", dtype="float32")
        self.rates.assign(self._rates)

    def state(self, variable: Any) -> list[Any]:
        """Return a variable and Adam's two moments of it."""
        index = self._get_variable_index(variable)
        return [variable, self._momentums[index], self._velocities[index]]

    def keep_running(self, is_running: Sequence[bool]) -> None:
        """Let only some of the models go on learning: a rate of 0 leaves the others as they are."""
        self.rates.assign(np.where(is_running, self._rates, np.float32(0)))

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Shrink, then step, both by each model's own rate."""
        place = self._places[self._get_variable_index(variable)]
        rates = place.spread(ops.convert_to_tensor(self.rates))
        if self._decays[place.models].any():
            shrink = 1 - rates * place.spread(ops.convert_to_tensor(self._decays))
            self.assign(variable, variable * shrink)
        super().update_step(gradient, variable, learning_rate * rates)


class LossPerModel(keras.metrics.Metric):  # type: ignore[misc]
    """Mean of each model's training loss since it was last taken."""

    def __init__(self, n_models: int) -> None:
        super().__init__(name="loss_per_model", dtype="float32")
        self.total = self.add_variable((n_models,), "zeros", name="total")
        self.count = self.add_variable((), "zeros", name="count")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch."""
        losses = losses_of_models(y_true, y_pred)
        if sample_weight is not None:
            losses = losses * ops.reshape(sample_weight, (-1, 1))
        self.total.assign(self.total + ops.mean(losses, axis=0))
        self.count.assign(self.count + 1)

    def result(self) -> Any:
        """Return the number of batches: it is the cheapest to hand out after each of them."""
        return self.count + 0

    def reset_state(self) -> None:
        """Do nothing: some versions of Keras call it for each batch, others do not."""

    def take(self) -> list[float]:
        """Return the means and start anew."""
        total, count = self.total.numpy(), self.count.numpy()
        self.total.assign(np.zeros_like(total))
        self.count.assign(0.0)
        return [float(value) for value in total / count]


class Program:
    """All models of a training run: one forward and one backward pass serves them.

    Parameters
    ----------
    plans : sequence of Plan
        They may differ in architecture: each architecture is one stack.
    n_features, n_classes, batch_size : int
    """

    def __init__(
        self, plans: Sequence[Plan], n_features: int, n_classes: int, batch_size: int
    ) -> None:
        self._plans, self._sizes = plans, (n_features, n_classes, batch_size)
        groups: dict[Any, list[int]] = {}
        for i, plan in enumerate(plans):
            groups.setdefault(plan.architecture, []).append(i)
        self._order = [i for members in groups.values() for i in members]
        inputs = keras.Input((n_features,), batch_size=batch_size, dtype="float32")
        self._stacks, first = [], 0
        for members in groups.values():
            own = [plans[i] for i in members]
            self._stacks.append(Stack(own, n_classes, first))
            first += len(members)
        outputs = [stack(inputs) for stack in self._stacks]
        logits = outputs[0] if len(outputs) == 1 else keras.layers.Concatenate(1)(outputs)
        self.model = keras.Model(inputs, logits)
        self._places = [place for stack in self._stacks for place in stack.places]
        self._optimizer = StackedAdamW(self._places, [plans[i] for i in self._order])
        self._optimizer.build(self.model.trainable_variables)
        self._losses = LossPerModel(len(plans))
        # On CPUs, XLA as TensorFlow calls it draws dropout's numbers many times slower.
        self.model.compile(
            optimizer=self._optimizer,
            loss=sum_of_losses,
            weighted_metrics=[self._losses],
            jit_compile=False if is_tensorflow() else "auto",
        )

    def only(self, kept: Sequence[int]) -> Program:
        """Return a program of the models ``kept``: each learns on as it would have here."""
        smaller = Program([self._plans[i] for i in kept], *self._sizes)
        states = [iter(state) for state in self._states()]
        variables = smaller.model.trainable_variables
        for place, variable in zip(smaller._places, variables, strict=True):
            parts = [next(states[kept[i]]) for i in smaller._order[place.models]]
            targets = smaller._optimizer.state(variable)
            for target, values in zip(targets, zip(*parts, strict=True), strict=True):
                target.assign(np.stack(values, place.axis))
        smaller._optimizer.iterations.assign(self._optimizer.iterations.numpy())
        draws = {stack.architecture: stack.draws for stack in self._stacks}
        for stack in smaller._stacks:
            for own, old in zip(stack.draws, draws[stack.architecture], strict=True):
                if own is not None and old is not None:
                    own.state.assign(old.state.numpy())
        return smaller

    def _states(self) -> list[list[list[Floats]]]:
        """Return each model's weights, each with its moments, in the plans' order."""
        states: list[list[list[Floats]]] = [[] for _ in self._plans]
        for place, variable in zip(self._places, self.model.trainable_variables, strict=True):
            values = [array.numpy() for array in self._optimizer.state(variable)]
            for local, number in enumerate(self._order[place.models]):
                states[number].append([np.take(v, local, place.axis) for v in values])
        return states

    def share(self, models: Sequence[int]) -> float:
        """Return which share of all weights is theirs."""
        sizes = np.array([sum(w.size + b.size for w, b in layers) for layers in self.layers()])
        return float(sizes[list(models)].sum() / sizes.sum())

    def step(self, X: Floats, y: Any, weight: Any) -> None:
        """Let every running model learn from one batch."""
        self.model.train_on_batch(X, y, sample_weight=weight)

    def take_losses(self) -> list[float]:
        """Return each model's mean training loss since the last call."""
        return self._in_order(self._losses.take())

    def layers(self) -> list[Layers]:
        """Return each model's kernels and biases."""
        arrays: list[list[Floats]] = [[] for _ in self._plans]
        for place, variable in zip(self._places, self.model.trainable_variables, strict=True):
            values = variable.numpy()
            for local, number in enumerate(self._order[place.models]):
                arrays[number].append(np.take(values, local, place.axis))
        return [list(zip(own[::2], own[1::2], strict=True)) for own in arrays]

    def keep_running(self, is_running: Sequence[bool]) -> None:
        """Let only some of the models go on learning."""
        self._optimizer.keep_running([is_running[i] for i in self._order])

    def _in_order(self, values: list[T]) -> list[T]:
        return [value for _, value in sorted(zip(self._order, values, strict=True), key=_place)]


def _place(pair: tuple[int, Any]) -> int:
    return pair[0]


def is_tensorflow() -> bool:
    """Say whether Keras runs on TensorFlow."""
    return bool(keras.backend.backend() == "tensorflow")


def losses_of_models(y_true: Any, logits: Any) -> Any:
    """Return cross entropies ``(n, m)`` of logits ``(n, m, k)``."""
    labels = ops.reshape(ops.cast(y_true, "int32"), (-1, 1))
    labels = ops.broadcast_to(labels, logits.shape[:2])
    return keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)


def sum_of_losses(y_true: Any, logits: Any) -> Any:
    """Return the sum over models ``(n,)``: its gradients are those of each model alone."""
    return ops.sum(losses_of_models(y_true, logits), axis=1)
