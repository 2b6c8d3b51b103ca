"""Training a baseline network: epoch after epoch, with a checkpoint after each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...extractor.engines.keras_import import import_keras
from ...extractor.run_options import LogObserver, Observer
from .augmentation import build_augmentation
from .batches import PixelRows, epoch_batches, ordered_batches
from .checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from .compiled import Batch, make_learner
from .graph import build_network, get_weights, seed_layers, set_weights
from .networks import NetworkRecord

OPTIMISER = "optimiser_"
PREDICT_ROWS = 256


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How a network is trained.

    Attributes
    ----------
    epochs : int
        Passes over the training images as they are.
    augment_epochs : int
        Further passes over images that are changed at random.
    lr : float
        Learning rate of Adam (Kingma & Ba, arXiv:1412.6980).
    batch_size : int
    seed : int
        Decides initial weights, order, dropout and augmentation.
    precision : str
        ``float32`` or ``bfloat16``: of the arithmetic; weights, losses and logits are float32.
    """

    epochs: int = 15
    augment_epochs: int = 0
    lr: float = 1e-3
    batch_size: int = 256
    seed: int = 0
    precision: str = "float32"

    @property
    def n_epochs(self) -> int:
        """Epochs of both phases."""
        return self.epochs + self.augment_epochs


@dataclass(frozen=True)
class Labelled:
    """Images with their classes.

    Attributes
    ----------
    pixels : PixelRows, n images
    y : ndarray of int64, shape (n,)
        Class indices.
    weight : ndarray of float32, shape (n,), or None
        What each image counts in the loss.
    """

    pixels: PixelRows
    y: NDArray[np.int64]
    weight: NDArray[np.float32] | None = None


class Trainer:
    """A network in training.

    Parameters
    ----------
    record : NetworkRecord
    options : TrainingOptions
    train : Labelled
    n_classes : int

    Attributes
    ----------
    model : keras.Model
        From pixels to logits.
    n_done : int
        Finished epochs.
    seconds : float
        That training took so far, in earlier processes as well.
    history : dict of str to list of float
        ``loss``, ``accuracy`` and, where validation images are given, ``val_loss`` and
        ``val_accuracy`` of each epoch.
    """

    def __init__(
        self, record: NetworkRecord, options: TrainingOptions, train: Labelled, n_classes: int
    ) -> None:
        self._keras = import_keras()
        self.options, self.train = options, train
        self._keras.utils.set_random_seed(options.seed)
        self.model = build_network(record, train.pixels.image_shape, n_classes, options.precision)
        self._optimiser = self._keras.optimizers.Adam(options.lr)
        self._optimiser.build(self.model.trainable_variables)
        self._learner = self._judge = make_learner(self.model, self._optimiser)
        self._augments = False
        self.history: dict[str, list[float]] = {}
        self.n_done = 0
        self.seconds = 0.0

    def run_epoch(self, observer: Observer | None = None) -> dict[str, float]:
        """Learn from every image once; return the epoch's mean loss and accuracy."""
        observer = observer or LogObserver()
        self._enter_phase()
        seed_layers(self._learner.network, self.options.seed, self.n_done)
        values = self._learner.train(self._batches(observer))
        self.n_done += 1
        self._note(values)
        return values

    def evaluate(self, held_out: Labelled) -> dict[str, float]:
        """Return loss and accuracy on images that are not learned from."""
        batches = (
            Batch(held_out.pixels.take(rows), held_out.y[rows])
            for rows in ordered_batches(len(held_out.y), PREDICT_ROWS)
        )
        values = {f"val_{name}": value for name, value in self._judge.judge(batches).items()}
        self._note(values)
        return values

    def _batches(self, observer: Observer) -> Iterator[Batch]:
        """Yield the batches of the next epoch."""
        train, options = self.train, self.options
        for rows in epoch_batches(len(train.y), options.batch_size, options.seed, self.n_done):
            weight = None if train.weight is None else train.weight[rows]
            yield Batch(train.pixels.take(rows), train.y[rows], weight)
            observer.advance(len(rows))

    def _note(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.history.setdefault(name, []).append(value)

    def state(self) -> Checkpoint:
        """Return all that the next epoch depends on."""
        variables = self._optimiser.variables
        arrays: dict[str, NDArray[Any]] = {
            f"{OPTIMISER}{i}": np.array(variable.numpy()) for i, variable in enumerate(variables)
        }
        n_plain = min(self.n_done, self.options.epochs)
        return Checkpoint(
            n_plain,
            self.n_done - n_plain,
            self.seconds,
            self.history,
            {**get_weights(self.model), **arrays},
        )

    def restore(self, state: Checkpoint) -> None:
        """Go on from where ``state`` was taken."""
        set_weights(self.model, state.arrays)
        for i, variable in enumerate(self._optimiser.variables):
            variable.assign(state.arrays[f"{OPTIMISER}{i}"])
        self.history, self.n_done = state.history, state.n_epochs
        self.seconds = state.seconds

    def _enter_phase(self) -> None:
        """Put the augmentation in front of the network once the first phase is over."""
        if self._augments or self.n_done < self.options.epochs:
            return
        pixels = self._keras.Input(self.train.pixels.image_shape, dtype="float32")
        augmented = build_augmentation(self._keras, self.train.pixels.image_shape)(pixels)
        learner = self._keras.Model(pixels, self.model(augmented))
        self._learner = make_learner(learner, self._optimiser)
        self._augments = True


def train_network(
    trainer: Trainer,
    val: Labelled | None,
    checkpoint: Path,
    job: Mapping[str, Any],
    observer: Observer | None = None,
) -> None:
    """Train to the last epoch; a run that was killed goes on after its last finished epoch.

    So does one that is to have more epochs than the finished one that left its checkpoint.

    Parameters
    ----------
    trainer : Trainer
    val : Labelled or None
        Measured after each epoch; training takes nothing from it.
    checkpoint : Path
        Written after each epoch.
    job : mapping
        JSON types: all that decides the training but the number of epochs.
    observer : Observer, optional

    Raises
    ------
    CacheWriteError
        The checkpoint cannot be written; the earlier one is still there.
    """
    observer = observer or LogObserver()
    options = trainer.options
    earlier = read_checkpoint(checkpoint, job)
    if earlier is not None and earlier.leads_to(options.epochs, options.augment_epochs):
        trainer.restore(earlier)
        observer.say(f"going on after epoch {earlier.n_epochs} of {options.n_epochs}")
    if n_left := options.n_epochs - trainer.n_done:
        begin_epochs(observer, f"{trainer.model.name}: training", n_left, len(trainer.train.y))
    while trainer.n_done < options.n_epochs:
        start = time.perf_counter()
        values = trainer.run_epoch(observer)
        if val is not None and len(val.y):
            values |= trainer.evaluate(val)
        trainer.seconds += time.perf_counter() - start
        observer.say(describe_epoch(trainer.n_done, options, values))
        write_checkpoint(checkpoint, job, trainer.state())


def begin_epochs(observer: Observer, task: str, n_epochs: int, n_rows: int) -> None:
    """Say how many epochs are left; the observer counts the images of all of them."""
    plural = "" if n_epochs == 1 else "s"
    observer.begin(n_epochs * n_rows, f"{task}, {n_epochs} epoch{plural} of {n_rows:,}")


def describe_epoch(n_done: int, options: TrainingOptions, values: Mapping[str, float]) -> str:
    """Return one line on an epoch for people."""
    phase = " augmented" if n_done > options.epochs else ""
    line = (
        f"epoch {n_done}/{options.n_epochs}{phase}: loss {values['loss']:.4f}, accuracy "
        f"{values['accuracy']:.4f}"
    )
    if "val_loss" in values:
        line += f"; validation {values['val_loss']:.4f}, {values['val_accuracy']:.4f}"
    return line
