"""Training networks jointly, each until its validation loss no longer falls notably."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..calibration import fit_temperature
from ..matmul.workers import Workers
from ..row_blocks import Floats, iter_blocks
from ..training_data import Training
from .batches import Batches
from .compiled_networks import CompiledNetworks, fits
from .keras_networks import KerasNetworks
from .network import Layers, NetworkSpec, Trained, cross_entropy, forward

# Nats by which the validation loss must fall within the epochs of patience.
LEAST_PROGRESS = 0.01


@dataclass(frozen=True)
class Judgement:
    """What some samples tell of a network.

    Attributes
    ----------
    accuracy : float
    loss : float
        Of the logits times the temperature.
    temperature : float
        That fits the samples best; 1 where none was fitted.
    """

    accuracy: float
    loss: float
    temperature: float


class EarlyStopping:
    """One network's learning curves, and the weights of its best epoch."""

    def __init__(self, spec: NetworkSpec) -> None:
        self._spec = spec
        self._history: dict[str, list[float]] = {"loss": []}
        self._best: Layers = []
        self._best_loss, self._best_epoch, self._temperature = np.inf, 0, 1.0
        self._goal, self._last_progress = np.inf, 0
        self._is_stuck, self.is_running = False, True

    def note(self, loss: float, layers: Layers, seen: Judgement, watched: Judgement | None) -> None:
        """Record an epoch; stop after the last, or after ``spec.patience`` without progress."""
        epoch = len(self._history["loss"])
        values = {"loss": loss, "accuracy": seen.accuracy}
        if watched:
            values |= {"val_loss": watched.loss, "val_accuracy": watched.accuracy}
        for name, value in values.items():
            self._history.setdefault(name, []).append(value)
        if not epoch or watched is None or watched.loss < self._best_loss:
            self._best, self._best_epoch = layers, epoch
            if watched:
                self._best_loss, self._temperature = watched.loss, watched.temperature
        if watched is None or self._best_loss < self._goal:
            self._goal = self._best_loss - LEAST_PROGRESS
            self._last_progress = epoch
        self._is_stuck = epoch - self._last_progress >= self._spec.patience
        self.is_running = not self._is_stuck and epoch + 1 < self._spec.epochs

    def result(self) -> Trained:
        """Return the best epoch's weights, its temperature within the last, and the curves."""
        factor = np.float32(self._temperature)
        kernel, bias = self._best[-1]
        layers = [*self._best[:-1], (kernel * factor, bias * factor)]
        return Trained(layers, self._history, self._best_epoch, self._is_stuck)


def train(
    specs: Sequence[NetworkSpec],
    batches: Batches,
    n_classes: int,
    measure: Callable[[Sequence[Layers]], list[tuple[Judgement, Judgement | None]]],
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
        Judges each network by training samples and, where there are some, validation samples.
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
        for i, weights, judgements in zip(running, layers, measure(layers), strict=True):
            states[i].note(losses[i], weights, *judgements)
        running = [i for i in running if states[i].is_running]
        networks.keep_running(running)
    return [state.result() for state in states]


def evaluate(
    networks: Sequence[Layers],
    data: Training,
    scaled: Callable[[Floats], Floats],
    workers: Workers,
    is_calibrated: bool,
) -> list[Judgement]:
    """Judge each network by some samples, read once for all."""
    width = max(kernel.shape[1] for layers in networks for kernel, _ in layers)
    parts: list[list[Floats]] = []
    for _, block in iter_blocks(data.X, np.dtype(np.float32), width):
        logits = partial(forward, scaled(block))
        parts.append(workers.map(logits, networks))
    judge = partial(_judge, data=data, is_calibrated=is_calibrated)
    return workers.map(judge, map(np.concatenate, zip(*parts, strict=True)))


def _judge(logits: Floats, data: Training, is_calibrated: bool) -> Judgement:
    accuracy = np.average(logits.argmax(axis=1) == data.y, weights=data.weights)
    factor = fit_temperature(logits, data.y, data.weights) if is_calibrated else 1.0
    loss = cross_entropy(logits * np.float32(factor), data.y, data.weights)
    return Judgement(float(accuracy), loss, factor)
