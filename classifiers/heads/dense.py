"""Dense heads: small networks trained with Keras, and scored with NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import TrainingDataError
from .arrays import ArrayRule
from .base import Head
from .blocks import Floats, Ints, check_finite
from .rules import CLASS_WEIGHT, FLAG, NOTHING, SEED, number, one_of, whole, widths
from .training import Training


@dataclass(frozen=True)
class Preset:
    """A network's shape.

    Attributes
    ----------
    hidden : tuple of int
        Widths of the ReLU layers.
    dropout : float
        Share of units that each training step silences.
    dropout_first : bool
        Dropout stands before each hidden layer, not after it.
    """

    hidden: tuple[int, ...] = ()
    dropout: float = 0.0
    dropout_first: bool = False


PRESETS = MappingProxyType(
    {
        "softmax": Preset(),
        "dropout": Preset((256,), 0.5, dropout_first=True),
        "mlp": Preset((512,), 0.5),
    }
)


class DenseHead(Head):
    """A network of dense layers with a softmax on top, stopped early on held-out samples.

    Parameters
    ----------
    preset : 'softmax', 'dropout' or 'mlp'
        One layer; dropout, a hidden layer of 256, softmax; 512 ReLU, dropout, softmax.
    hidden : sequence of int, optional
        Widths of the hidden layers instead of the preset's.
    dropout : float in [0, 1), optional
        Instead of the preset's.
    lr : float
        Learning rate of AdamW (Loshchilov & Hutter 2019).
    epochs : int
        The most passes over the training samples.
    patience : int
        Epochs without a lower validation loss after which training stops; the weights of the best
        epoch are kept.
    batch_size : int
    weight_decay : float
    validation_fraction : float in [0, 1)
        Held out of each class for early stopping where ``fit`` gets no ``validation_data``; 0 runs
        all epochs. A class with one sample is never held out.
    standardize : bool
    class_weight : None, 'balanced' or mapping of class to weight
    random_state : int, RandomState or None
        Decides initial weights, order of samples and dropout; no global generator is touched.

    Attributes
    ----------
    kernel_0_, bias_0_, kernel_1_, ... : ndarray of float32
        Layers in order, kernels ``(n_inputs, n_outputs)``.
    history_ : dict of str to list of float
        ``loss`` and, with validation samples, ``val_loss`` and ``val_accuracy`` of each epoch.
    best_epoch_ : int
        Whose weights were kept, counted from 0.
    n_iter_ : int
        Epochs that ran.
    """

    uses_validation = True
    _rules: ClassVar = {
        "preset": one_of(*PRESETS),
        "hidden": NOTHING | widths(),
        "dropout": NOTHING | number(0, 1, closed=True),
        "lr": number(0),
        "epochs": whole(1),
        "patience": whole(1),
        "batch_size": whole(1),
        "weight_decay": number(0, closed=True),
        "validation_fraction": number(0, 1, closed=True),
        "standardize": FLAG,
        "class_weight": CLASS_WEIGHT,
        "random_state": SEED,
    }
    history_: dict[str, list[float]]
    best_epoch_: int
    n_iter_: int

    def __init__(
        self,
        preset: str = "mlp",
        *,
        hidden: Any = None,
        dropout: float | None = None,
        lr: float = 1e-3,
        epochs: int = 100,
        patience: int = 5,
        batch_size: int = 256,
        weight_decay: float = 1e-4,
        validation_fraction: float = 0.1,
        standardize: bool = True,
        class_weight: Any = None,
        random_state: Any = 0,
    ) -> None:
        self.preset = preset
        self.hidden = hidden
        self.dropout = dropout
        self.lr = lr
        self.epochs = epochs
        self.patience = patience
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.validation_fraction = validation_fraction
        self.standardize = standardize
        self.class_weight = class_weight
        self.random_state = random_state

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: Any = None
    ) -> Self:
        """Learn from features and labels.

        Parameters
        ----------
        X, y, sample_weight
            As for every head. Batches are read as they are needed: a memory map stays on disk.
        validation_data : tuple (X, y), optional
            Watched for early stopping instead of a part of the training samples; samples of
            classes that training lacks are left out, and if none remain, a part of the training
            samples is watched after all.

        Raises
        ------
        TrainingDataError, ConfigError
        """
        self._check_params()
        data = self._prepare(X, y, sample_weight)
        self._fit(data, None if validation_data is None else self._outside(validation_data))
        return self

    @classmethod
    def _fit_together(cls, heads: Sequence[Self], data: Training) -> None:
        for head in heads:
            head._fit(data, None)

    def _fit(self, data: Training, watched: Training | None) -> None:
        generator = np.random.default_rng(self._seed())
        if watched is None:
            data, watched = self._hold_out(data, generator)
        self._fit_scaler(data)
        self._train(data, watched, generator)

    def _seed(self) -> int | None:
        if hasattr(self.random_state, "randint"):
            return int(self.random_state.randint(2**31 - 1))
        return None if self.random_state is None else int(self.random_state)

    @property
    def _shape(self) -> Preset:
        preset = PRESETS[self.preset]
        hidden = preset.hidden if self.hidden is None else tuple(int(n) for n in self.hidden)
        dropout = preset.dropout if self.dropout is None else float(self.dropout)
        return Preset(hidden, dropout, preset.dropout_first)

    def _outside(self, validation_data: Any) -> Training | None:
        """Check validation samples that the caller chose."""
        X, y = self._input(validation_data[0]), np.asarray(validation_data[1])
        if y.shape != (X.shape[0],):
            raise TrainingDataError(
                f"validation_data: X has {X.shape[0]} rows but y has the shape {y.shape}"
            )
        known = np.flatnonzero(np.isin(y, self.classes_))
        if not len(known):
            return None
        X = X if len(known) == len(y) else X[known]
        check_finite(X)
        codes = np.searchsorted(self.classes_, y[known]).astype(np.int64)
        return Training(X, codes, None, len(self.classes_))

    def _hold_out(
        self, data: Training, generator: np.random.Generator
    ) -> tuple[Training, Training | None]:
        """Set ``validation_fraction`` of each class aside, at least one of two samples or more."""
        if not self.validation_fraction:
            return data, None
        held_out: list[Ints] = []
        for label in range(data.n_classes):
            members = generator.permutation(np.flatnonzero(data.y == label))
            wanted = max(1, round(self.validation_fraction * len(members)))
            held_out.append(members[: min(wanted, len(members) - 1)])
        mask = np.zeros(len(data.y), bool)
        mask[np.concatenate(held_out)] = True
        if not mask.any():
            return data, None
        return data.take(np.flatnonzero(~mask)), data.take(np.flatnonzero(mask))

    def _train(
        self, data: Training, watched: Training | None, generator: np.random.Generator
    ) -> None:
        from .dense_train import Plan, train

        plan = Plan(
            shape=self._shape,
            lr=float(self.lr),
            weight_decay=float(self.weight_decay),
            batch_size=int(self.batch_size),
            epochs=int(self.epochs),
            patience=int(self.patience),
        )
        result = train(plan, data, watched, self._scaled, generator)
        for i, (kernel, bias) in enumerate(result.layers):
            setattr(self, f"kernel_{i}_", kernel)
            setattr(self, f"bias_{i}_", bias)
        self.history_, self.best_epoch_ = result.history, result.best_epoch
        self.n_iter_ = len(result.history["loss"])

    @property
    def _layers(self) -> list[tuple[Floats, Floats]]:
        return [
            (getattr(self, f"kernel_{i}_"), getattr(self, f"bias_{i}_"))
            for i in range(len(self._shape.hidden) + 1)
        ]

    def _decide(self, block: Floats) -> Floats:
        return forward(block, self._layers)

    def _decision_width(self) -> int:
        return max((*self._shape.hidden, len(self.classes_)))

    def _all_array_rules(self) -> dict[str, ArrayRule]:
        n_hidden = len(self._shape.hidden)
        sizes = ["d", *(f"h{i}" for i in range(n_hidden)), "k"]
        rules = super()._all_array_rules()
        for i in range(n_hidden + 1):
            rules[f"kernel_{i}"] = ArrayRule((sizes[i], sizes[i + 1]))
            rules[f"bias_{i}"] = ArrayRule((sizes[i + 1],))
        return rules


def forward(block: Floats, layers: list[tuple[Floats, Floats]]) -> Floats:
    """Return the logits ``(n, k)`` of a block: ReLU between the layers, none after the last."""
    values = block
    for i, (kernel, bias) in enumerate(layers):
        if i:
            values = np.maximum(values, 0, out=values)
        values = values @ kernel.astype(values.dtype, copy=False)
        values += bias.astype(values.dtype, copy=False)
    return values


def cross_entropy(logits: Floats, y: Ints, weight: NDArray[np.float64]) -> float:
    """Return the weighted mean of the softmax's negative log likelihood."""
    values = logits.astype(np.float64)
    values -= values.max(axis=1, keepdims=True)
    losses = np.log(np.exp(values).sum(axis=1)) - values[np.arange(len(y)), y]
    return float(np.average(losses, weights=weight))
