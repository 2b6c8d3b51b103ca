"""Training a tail and its head on cached maps: epoch after epoch, at falling rates."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...extractor.engines.keras import fold_batch_norm
from ...extractor.engines.keras_import import import_keras
from ...extractor.run_options import Observer
from ..baselines.batches import epoch_batches, ordered_batches
from ..baselines.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from ..baselines.compiled import Batch, make_learner
from ..baselines.graph import seed_layers
from ..baselines.precision import layer_policy, training_precision
from ..baselines.training import begin_epochs
from .head import FinetunedHead
from .samples import MapSamples, class_shares, mix
from .tail import Tail

PREDICT_ROWS = 256
MIXING = 0x3187
"""Tells the draws of mixtures from those of batches and views."""

NOW, BEST, OPTIMISER = "now", "best", "optimiser"


class TailTrainer:
    """A tail with its head in training.

    The head's kernel is the one that it starts from plus a multiple of a trained difference: under
    Adam, whose steps do not depend on the gradient's size, this gives it a learning rate of its
    own. First the head is fitted, then all are trained (LP-FT: Kumar and others, 2022,
    arXiv:2202.10054). The rates rise to their values during the first epoch, since Adam's first
    steps are as long as all others though it knows little of the gradients yet, and fall to zero
    along half a cosine until the last (Loshchilov and Hutter, 2017, arXiv:1608.03983).

    Parameters
    ----------
    tail : Tail
    head : FinetunedHead
        Fitted on the features that the tail gives at the start.
    train : MapSamples
    held_out : MapSamples
        Judge when to stop; training takes nothing from them.
    """

    def __init__(
        self, tail: Tail, head: FinetunedHead, train: MapSamples, held_out: MapSamples
    ) -> None:
        self._keras = import_keras()
        self.tail, self.head, self.train, self.held_out = tail, head, train, held_out
        self._keras.utils.set_random_seed(int(head.random_state))
        self._compute_in(training_precision(head.precision))
        self.model = self._with_head()
        self._optimiser = self._keras.optimizers.Adam(head.lr)
        self._optimiser.build(self.model.trainable_variables)
        self._mixes = bool(head.mixup)
        self._learner = make_learner(self.model, self._optimiser, takes_shares=self._mixes)
        self.history: dict[str, list[float]] = {}
        self.seconds, self.n_done = 0.0, 0
        self.best_loss = self._loss_of_held_out()["val_loss"]
        self.best, self.best_epoch = self._weights(), 0

    def run_epoch(self, observer: Observer) -> dict[str, float]:
        """Learn from one view of every sample; return means of loss and accuracy."""
        start = time.perf_counter()
        seed_layers(self.model, int(self.head.random_state), self.n_done)
        values = self._learner.train(self._batches(observer))
        self.n_done += 1
        values |= self._loss_of_held_out()
        for name, value in values.items():
            self.history.setdefault(name, []).append(value)
        if values["val_loss"] < self.best_loss:
            self.best_loss, self.best_epoch = values["val_loss"], self.n_done
            self.best = self._weights()
        self.seconds += time.perf_counter() - start
        return values

    def _batches(self, observer: Observer) -> Iterator[Batch]:
        """Yield the batches of the next epoch, each with its learning rate."""
        seed, size = int(self.head.random_state), int(self.head.batch_size)
        train, drawn = self.train, self.train.draw(seed, self.n_done)
        batches = epoch_batches(len(train.y), size, seed, self.n_done)
        rng = np.random.default_rng([seed, self.n_done, MIXING])
        for step, rows in enumerate(batches, self.n_done * self._n_an_epoch + 1):
            weight = None if train.weight is None else train.weight[rows]
            maps, y = train.take(rows, self.tail.map_shape, drawn), self._targets(train.y[rows])
            if self._mixes:
                maps, y, weight = mix(maps, y, weight, float(self.head.mixup), rng)
            yield Batch(maps, y, weight, self._rate(step))
            observer.advance(len(rows))

    def _targets(self, y: NDArray[np.int64]) -> NDArray[Any]:
        """Return classes as the learner takes them."""
        return class_shares(y, self.model.output_shape[-1]) if self._mixes else y

    @property
    def is_done(self) -> bool:
        """Whether all epochs are over, or none of the last ``patience`` was better."""
        is_late = self.n_done - self.best_epoch >= self.head.patience
        return self.n_done >= self.head.epochs or is_late

    def finish(self) -> None:
        """Give tail and head the weights of the best epoch, and the head its curves."""
        self.model.set_weights(self.best)
        self._compute_in("float32")
        kernel, bias = self._start.get_weights()
        more, more_bias = self._difference.get_weights()
        self.head.take(kernel + self._factor * more, bias + self._factor * more_bias)
        self.head.history_ = self.history
        trained = [v.shape for layer in self.tail.layers for v in layer.trainable_variables]
        self.head.n_tuned_ = sum(map(math.prod, trained))

    def state(self) -> Checkpoint:
        """Return all that the next epoch depends on."""
        lists = {
            NOW: self._weights(),
            BEST: self.best,
            OPTIMISER: [np.array(variable.numpy()) for variable in self._optimiser.variables],
        }
        arrays = {f"{k}_{i}": values for k, all_ in lists.items() for i, values in enumerate(all_)}
        arrays["best_loss"] = np.array([self.best_loss, self.best_epoch])
        return Checkpoint(self.n_done, 0, self.seconds, self.history, arrays)

    def restore(self, state: Checkpoint) -> None:
        """Go on from where ``state`` was taken."""

        def listed(kind: str, n: int) -> list[NDArray[Any]]:
            return [state.arrays[f"{kind}_{i}"] for i in range(n)]

        self.model.set_weights(listed(NOW, len(self.best)))
        self.best = listed(BEST, len(self.best))
        variables = self._optimiser.variables
        for variable, values in zip(variables, listed(OPTIMISER, len(variables)), strict=True):
            variable.assign(values)
        best_loss, best_epoch = state.arrays["best_loss"]
        self.best_loss, self.best_epoch = float(best_loss), int(best_epoch)
        self.history, self.seconds, self.n_done = state.history, state.seconds, state.n_epochs

    def _weights(self) -> list[NDArray[np.float32]]:
        return [np.array(values, np.float32) for values in self.model.get_weights()]

    @property
    def _n_an_epoch(self) -> int:
        return math.ceil(len(self.train.y) / int(self.head.batch_size))

    def _rate(self, step: int) -> float:
        """Return the learning rate of the layers in a step, counted from 1."""
        n_steps = self._n_an_epoch * int(self.head.epochs)
        n_rising = min(self._n_an_epoch, n_steps // 2)
        if step <= n_rising:
            return float(self.head.lr) * step / n_rising
        done = (step - n_rising) / (n_steps - n_rising + 1)
        return float(self.head.lr) * (1 + math.cos(math.pi * done)) / 2

    def _compute_in(self, precision: str) -> None:
        """Let the tail's layers compute in a number format; their weights stay in float32."""
        policy, float32 = layer_policy(precision), layer_policy("float32")
        for layer in self.tail.model.layers:
            layer.dtype_policy = float32 if self._is_slow(layer) else policy

    def _is_slow(self, layer: Any) -> bool:
        """Say whether TensorFlow takes many times longer for its derivative in bfloat16."""
        if self._keras.backend.backend() != "tensorflow":
            return False
        is_depthwise = isinstance(layer, self._keras.layers.DepthwiseConv2D)
        return is_depthwise and (max(layer.strides) > 1 or max(layer.kernel_size) > 3)

    def _with_head(self) -> Any:
        layers = self._keras.layers
        kernel, bias = self.head.logit_weights
        maps = self._keras.Input(self.tail.map_shape, dtype="float32")
        if not self.head.batch_norm:
            for layer in self.tail.layers:
                # Keras normalises by the stored means and variances where the layer is frozen.
                layer.trainable &= not isinstance(layer, layers.BatchNormalization)
        tail = self.tail.model if self.head.batch_norm else fold_batch_norm(self.tail.model)
        features = self._keras.ops.cast(tail(maps), "float32")
        if self.head.standardize:
            scale = 1 / np.asarray(self.head.scale_, np.float32)
            offset = -np.asarray(self.head.mean_, np.float32) * scale
            features = layers.Rescaling(scale, offset)(features)
        self._factor = float(self.head.head_lr / self.head.lr)
        self._start = layers.Dense(len(bias), trainable=False, name="start")
        self._difference = layers.Dense(len(bias), kernel_initializer="zeros", name="difference")
        difference = layers.Rescaling(self._factor)(self._difference(features))
        logits = layers.Add(name="logits")([self._start(features), difference])
        self._start.set_weights([kernel, bias])
        return self._keras.Model(maps, logits, name="tuned")

    def _loss_of_held_out(self) -> dict[str, float]:
        values = self._learner.judge(self._held_out_batches())
        return {f"val_{name}": value for name, value in values.items()}

    def _held_out_batches(self) -> Iterator[Batch]:
        held_out = self.held_out
        for rows in ordered_batches(len(held_out.y), PREDICT_ROWS):
            weight = None if held_out.weight is None else held_out.weight[rows]
            maps = held_out.take(rows, self.tail.map_shape)
            yield Batch(maps, self._targets(held_out.y[rows]), weight)


def _best_of(trainer: TailTrainer) -> str:
    if trainer.best_epoch:
        return f"epoch {trainer.best_epoch} is the best"
    return "no epoch was better than the head that training started from"


def train_tail(
    trainer: TailTrainer, checkpoint: Path, job: Mapping[str, Any], observer: Observer
) -> None:
    """Train until the last epoch or until the held-out loss falls no more; keep the best epoch.

    A run that was killed goes on after its last finished epoch.

    Parameters
    ----------
    trainer : TailTrainer
    checkpoint : Path
        Written after each epoch.
    job : mapping
        JSON types: all that decides the training but the number of epochs.
    observer : Observer

    Raises
    ------
    CacheWriteError
        The checkpoint cannot be written; the earlier one is still there.
    """
    epochs = int(trainer.head.epochs)
    earlier = read_checkpoint(checkpoint, job)
    if earlier is not None and earlier.leads_to(epochs, 0):
        trainer.restore(earlier)
        observer.say(f"going on after epoch {earlier.n_epochs} of {epochs}")
    if not trainer.is_done:
        begin_epochs(observer, "fine-tuning", epochs - trainer.n_done, len(trainer.train.y))
    while not trainer.is_done:
        values = trainer.run_epoch(observer)
        observer.say(
            f"epoch {trainer.n_done}/{epochs}: loss {values['loss']:.4f}, accuracy "
            f"{values['accuracy']:.4f}; held out {values['val_loss']:.4f}, "
            f"{values['val_accuracy']:.4f}"
        )
        write_checkpoint(checkpoint, job, trainer.state())
    if trainer.n_done < epochs:
        observer.say(f"stopped: {_best_of(trainer)} on the held-out rows")
    trainer.finish()
