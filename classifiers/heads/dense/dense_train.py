"""Training dense heads together: one pass over the samples serves every network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from ..row_blocks import Floats, iter_blocks
from ..training_data import Training
from . import dense_compiled
from .dense_batches import Batches
from .dense_plan import Layers, Plan, Trained, cross_entropy, forward


class Networks(Protocol):
    """Networks that learn from the same batches."""

    def epoch(self, batches: Batches, generator: np.random.Generator) -> list[float]:
        """Let the running ones learn from every batch once; return each one's mean loss."""

    def layers(self, network: int) -> Layers:
        """Return a running network's kernels and biases."""

    def keep_running(self, running: Sequence[int]) -> None:
        """Let only some of them go on learning."""


class Run:
    """How far one network has come: its curves, and the weights of its best epoch."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._history: dict[str, list[float]] = {"loss": []}
        self._best: Layers = []
        self._best_loss, self._best_epoch = np.inf, 0
        self.is_running = True

    def note(self, loss: float, layers: Layers, measured: tuple[float, float] | None) -> None:
        """Take in an epoch; stop after the last, or without progress for ``plan.patience``."""
        epoch = len(self._history["loss"])
        self._history["loss"].append(loss)
        val_loss = -np.inf
        if measured is not None:
            val_loss = measured[0]
            self._history.setdefault("val_loss", []).append(val_loss)
            self._history.setdefault("val_accuracy", []).append(measured[1])
        if not epoch or measured is None or val_loss < self._best_loss:
            self._best, self._best_loss, self._best_epoch = layers, val_loss, epoch
        is_stuck = epoch - self._best_epoch >= self._plan.patience
        self.is_running = not is_stuck and epoch + 1 < self._plan.epochs

    def result(self) -> Trained:
        """Return the best epoch's weights and the curves."""
        return Trained(self._best, self._history, self._best_epoch)


def train(
    plans: Sequence[Plan],
    batches: Batches,
    n_classes: int,
    measure: Callable[[Sequence[Layers]], list[tuple[float, float] | None]],
    generator: np.random.Generator,
) -> list[Trained]:
    """Train networks together, each until its validation loss has not fallen for its patience.

    Parameters
    ----------
    plans : sequence of Plan
    batches : Batches
        What all of them learn from, in one order.
    n_classes : int
    measure : callable
        Returns loss and accuracy on validation samples of each network, or None without them.
    generator : Generator
        Draws the order of the samples.

    Returns
    -------
    list of Trained
        Each as if trained alone: to the same bits where the compiled steps train it, but for
        rounding where Keras does.
    """
    networks = _make_networks(plans, batches, n_classes)
    runs = [Run(plan) for plan in plans]
    running = list(range(len(plans)))
    while running:
        losses = networks.epoch(batches, generator)
        layers = [networks.layers(i) for i in running]
        for i, own, measured in zip(running, layers, measure(layers), strict=True):
            runs[i].note(losses[i], own, measured)
        running = [i for i in running if runs[i].is_running]
        networks.keep_running(running)
    return [run.result() for run in runs]


def _make_networks(plans: Sequence[Plan], batches: Batches, n_classes: int) -> Networks:
    sizes = (batches.n_features, n_classes, batches.size)
    if all(dense_compiled.fits(plan) for plan in plans):
        return dense_compiled.CompiledNetworks(plans, *sizes)
    from .dense_keras import KerasNetworks

    return KerasNetworks(plans, *sizes)


def evaluate(
    networks: Sequence[Layers], data: Training, scaled: Callable[[Floats], Floats]
) -> list[tuple[float, float]]:
    """Return each network's loss and accuracy on validation samples, read once for all."""
    width = max(kernel.shape[1] for layers in networks for kernel, _ in layers)
    parts: list[list[Floats]] = [[] for _ in networks]
    for _, block in iter_blocks(data.X, np.dtype(np.float32), width):
        values = scaled(block)
        for part, layers in zip(parts, networks, strict=True):
            part.append(forward(values, layers))
    return [_loss_and_accuracy(np.concatenate(part), data) for part in parts]


def _loss_and_accuracy(logits: Floats, data: Training) -> tuple[float, float]:
    accuracy = np.average(logits.argmax(axis=1) == data.y, weights=data.weights)
    return cross_entropy(logits, data.y, data.weights), float(accuracy)
