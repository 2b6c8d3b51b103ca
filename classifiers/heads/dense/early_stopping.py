"""Training networks jointly, each until its validation loss no longer falls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from ..matmul.workers import Workers
from ..row_blocks import Floats, iter_blocks
from ..training_data import Training
from .batches import Batches
from .compiled_networks import CompiledNetworks, fits
from .keras_networks import KerasNetworks
from .network import Layers, NetworkSpec, Trained, cross_entropy, forward


class EarlyStopping:
    """One network's learning curves, and the weights of its best epoch."""

    def __init__(self, spec: NetworkSpec) -> None:
        self._spec = spec
        self._history: dict[str, list[float]] = {"loss": []}
        self._best: Layers = []
        self._best_loss, self._best_epoch = np.inf, 0
        self.is_running = True

    def note(self, loss: float, layers: Layers, values: Mapping[str, float]) -> None:
        """Record an epoch; stop after the last, or after ``spec.patience`` without progress."""
        epoch = len(self._history["loss"])
        self._history["loss"].append(loss)
        for name, value in values.items():
            self._history.setdefault(name, []).append(value)
        val_loss = values.get("val_loss", -np.inf)
        if not epoch or "val_loss" not in values or val_loss < self._best_loss:
            self._best, self._best_loss, self._best_epoch = layers, val_loss, epoch
        is_stuck = epoch - self._best_epoch >= self._spec.patience
        self.is_running = not is_stuck and epoch + 1 < self._spec.epochs

    def result(self) -> Trained:
        """Return the best epoch's weights and the curves."""
        return Trained(self._best, self._history, self._best_epoch)


def train(
    specs: Sequence[NetworkSpec],
    batches: Batches,
    n_classes: int,
    measure: Callable[[Sequence[Layers]], list[dict[str, float]]],
    generator: np.random.Generator,
) -> list[Trained]:
    """Train networks jointly: one pass over the samples serves every network.

    Parameters
    ----------
    specs : sequence of NetworkSpec
        Compiled steps train all of them, or none.
    batches : Batches
        All of them learn from the same batches in the same order.
    n_classes : int
    measure : callable
        Returns what the curves of each network hold beside the loss: ``accuracy`` and, where there
        are validation samples, ``val_loss`` and ``val_accuracy``.
    generator : Generator
        Draws the order of the samples.

    Returns
    -------
    list of Trained
        Each as if trained alone.
    """
    make: type[CompiledNetworks | KerasNetworks]
    make = CompiledNetworks if fits(specs[0]) else KerasNetworks
    networks = make(specs, batches.n_features, n_classes, batches.size)
    states = [EarlyStopping(spec) for spec in specs]
    running = list(range(len(specs)))
    while running:
        losses = networks.epoch(batches, generator)
        layers = [networks.layers(i) for i in running]
        for i, weights, values in zip(running, layers, measure(layers), strict=True):
            states[i].note(losses[i], weights, values)
        running = [i for i in running if states[i].is_running]
        networks.keep_running(running)
    return [state.result() for state in states]


def evaluate(
    networks: Sequence[Layers],
    data: Training,
    scaled: Callable[[Floats], Floats],
    workers: Workers,
) -> list[tuple[float, float]]:
    """Return each network's loss and accuracy on some samples, read once for all."""
    width = max(kernel.shape[1] for layers in networks for kernel, _ in layers)
    parts: list[list[Floats]] = []
    for _, block in iter_blocks(data.X, np.dtype(np.float32), width):
        logits = partial(forward, scaled(block))
        parts.append(workers.map(logits, networks))
    judge = partial(_loss_and_accuracy, data=data)
    return workers.map(judge, map(np.concatenate, zip(*parts, strict=True)))


def _loss_and_accuracy(logits: Floats, data: Training) -> tuple[float, float]:
    accuracy = np.average(logits.argmax(axis=1) == data.y, weights=data.weights)
    return cross_entropy(logits, data.y, data.weights), float(accuracy)
