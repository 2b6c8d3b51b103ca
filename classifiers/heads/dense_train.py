"""Training a dense head with Keras 3, on whichever backend it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...extractor.keras_import import import_keras
from .blocks import Floats, Ints, iter_blocks
from .dense import Preset, cross_entropy, forward
from .training import Training

GATHER_BYTES = 1 << 29
Layers = list[tuple[Floats, Floats]]


@dataclass(frozen=True)
class Plan:
    """How a network is shaped and trained; the fields are ``DenseHead``'s parameters."""

    shape: Preset
    lr: float
    weight_decay: float
    batch_size: int
    epochs: int
    patience: int


@dataclass(frozen=True)
class Trained:
    """The best epoch's layers, and the learning curves."""

    layers: Layers
    history: dict[str, list[float]]
    best_epoch: int


def build(plan: Plan, n_features: int, n_classes: int, generator: np.random.Generator) -> Any:
    """Build and compile the Keras model; every random part gets a seed of its own."""
    keras = import_keras()

    def seed() -> int:
        return int(generator.integers(2**31 - 1))

    shape = plan.shape
    layers: list[Any] = [keras.Input((n_features,), dtype="float32")]
    for width in shape.hidden:
        dropout = [keras.layers.Dropout(shape.dropout, seed=seed())] if shape.dropout else []
        start = keras.initializers.GlorotUniform(seed=seed())
        dense = keras.layers.Dense(width, "relu", kernel_initializer=start, dtype="float32")
        layers += [*dropout, dense] if shape.dropout_first else [dense, *dropout]
    start = keras.initializers.GlorotUniform(seed=seed())
    layers.append(keras.layers.Dense(n_classes, kernel_initializer=start, dtype="float32"))
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.AdamW(plan.lr, weight_decay=plan.weight_decay),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def train(
    plan: Plan,
    data: Training,
    watched: Training | None,
    scaled: Callable[[Floats], Floats],
    generator: np.random.Generator,
) -> Trained:
    """Train until the validation loss has not fallen for ``plan.patience`` epochs.

    Every epoch draws a new order and leaves the ragged last batch out, so that all batches have
    one shape and one compiled program serves them.
    """
    model = build(plan, data.X.shape[1], data.n_classes, generator)
    batches = Batches(data, plan.batch_size, scaled)
    history: dict[str, list[float]] = {"loss": []}
    best, best_loss, best_epoch = layers_of(model), np.inf, 0
    for epoch in range(plan.epochs):
        history["loss"].append(batches.run_epoch(model, generator))
        layers = layers_of(model)
        if watched is None:
            best, best_epoch = layers, epoch
            continue
        loss, accuracy = evaluate(layers, watched, scaled)
        history.setdefault("val_loss", []).append(loss)
        history.setdefault("val_accuracy", []).append(accuracy)
        if loss < best_loss:
            best, best_loss, best_epoch = layers, loss, epoch
        if epoch - best_epoch >= plan.patience:
            break
    return Trained(best, history, best_epoch)


class Batches:
    """Shuffled, scaled batches of one training set."""

    def __init__(self, data: Training, batch_size: int, scaled: Callable[[Floats], Floats]) -> None:
        n_samples, n_features = data.X.shape
        self._X, self._scaled = data.X, scaled
        if isinstance(data.X, np.ndarray) and n_samples * n_features * 4 <= GATHER_BYTES:
            self._X = np.empty((n_samples, n_features), np.float32)
            for rows, block in iter_blocks(data.X, np.dtype(np.float32)):
                self._X[rows] = scaled(block)
            self._scaled = _unchanged
        self._y = data.y
        weights = data.weight
        self._weight = None if weights is None else (weights / weights.mean()).astype(np.float32)
        self._size = min(batch_size, n_samples)

    def run_epoch(self, model: Any, generator: np.random.Generator) -> float:
        """Take one step for every batch; return the mean loss."""
        order = generator.permutation(len(self._y))
        losses = []
        for start in range(0, len(order) - self._size + 1, self._size):
            rows = np.sort(order[start : start + self._size])
            X = self._scaled(np.asarray(self._X[rows], np.float32))
            weight = None if self._weight is None else self._weight[rows]
            losses.append(model.train_on_batch(X, self._y[rows], sample_weight=weight))
        return float(np.mean(losses))


def _unchanged(block: Floats) -> Floats:
    return block


def layers_of(model: Any) -> Layers:
    """Return the kernels and biases as NumPy arrays of float32."""
    values = [np.array(value, np.float32, order="C") for value in model.get_weights()]
    return list(zip(values[::2], values[1::2], strict=True))


def evaluate(
    layers: Layers, data: Training, scaled: Callable[[Floats], Floats]
) -> tuple[float, float]:
    """Return loss and accuracy on validation samples."""
    parts = [
        forward(scaled(block), layers)
        for _, block in iter_blocks(data.X, np.dtype(np.float32), layers[0][0].shape[1])
    ]
    logits: Floats = np.concatenate(parts)
    y: Ints = data.y
    accuracy = np.average(logits.argmax(axis=1) == y, weights=data.weights)
    return cross_entropy(logits, y, data.weights), float(accuracy)
