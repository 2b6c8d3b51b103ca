"""Dense heads: small networks, trained jointly and scored with NumPy alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np

from ....cache.errors import TrainingDataError
from ..base import Head
from ..held_out import hold_out
from ..parameter_checks import (
    CLASS_WEIGHT,
    FLAG,
    NOTHING,
    SEED,
    SELECT,
    number,
    one_of,
    whole,
    widths,
)
from ..row_blocks import Floats, check_finite, take_rows
from ..serialisation import ArrayRule
from ..training_data import Training
from .compiled_networks import fits
from .network import PRESETS, Layers, NetworkSpec, Preset, Trained, forward

# Most weights of the networks that train jointly; with Adam's moments they take four times as much.
PART_BYTES = 1 << 28
# So many training samples tell the accuracy of an epoch to about two points.
SEEN_ROWS = 512
# By default, few samples make batches small, so that an epoch has about so many steps.
EPOCH_STEPS = 64
LEAST_BATCH, MOST_BATCH = 32, 256


class DenseHead(Head):
    """A network of dense layers with a softmax on top, stopped early on held-out samples.

    Parameters
    ----------
    preset : 'softmax', 'dropout' or 'mlp'
        One layer; dropout, a hidden layer of 256, softmax; 512 ReLU, dropout, softmax.
    hidden : sequence of int, optional
        Widths of the hidden layers instead of the preset's.
    dropout : float in [0, 1), optional
        Instead of the preset's. A network without a hidden layer has it on its inputs.
    lr : float
        Learning rate of AdamW (Loshchilov & Hutter 2019).
    epochs : int
        The most passes over the training samples.
    patience : int
        Epochs in which the validation loss must fall by 0.01 nats in all; else training stops.
        The weights of the epoch with the lowest loss are kept.
    batch_size : int, optional
        By default 256; fewer where that makes less than 64 batches, and 32 at least.
    weight_decay : float
    validation_fraction : float in [0, 1)
        Share of each class's training samples that is held out for early stopping, groups whole;
        the network does not learn from these samples, also not afterwards. A class of one sample
        or one group is never held out. 0 runs all epochs.
    standardize : bool
    select : int or None
    class_weight : None, 'balanced' or mapping of class to weight
    random_state : int, RandomState or None
        Decides initial weights, order of samples and dropout; no global generator is touched.

    Attributes
    ----------
    kernel_0_, bias_0_, kernel_1_, ... : ndarray of float32
        Layers in order, kernels ``(n_inputs, n_outputs)``.
    history_ : dict of str to list of float
        ``loss``, ``accuracy`` on at most 512 of the training samples and, with validation
        samples, ``val_loss`` (at the best temperature) and ``val_accuracy`` of each epoch.
    best_epoch_ : int
        Whose weights were kept, counted from 0.
    n_iter_ : int
        Epochs that ran.
    converged_ : bool
        Training stopped early; or ran all epochs, as ``validation_fraction=0`` asks.

    Notes
    -----
    With validation samples, the last layer is multiplied by the temperature that fits them best:
    training may stop while the logits are still small, and the probabilities tell the truth. The
    last layer starts at zero.

    Networks of at most one hidden layer train in compiled steps. A network trains to the same bits
    alone, in a grid and on any number of threads. First layers of 131,072 weights or more are
    multiplied in bfloat16 on processors with AMX or AVX-512's bfloat16. Deeper networks, and all of
    them where the package was installed without a compiler, train in Keras, in float32, several
    times slower.
    """

    iteration_param = "epochs"
    joint_params = ("preset", "hidden", "dropout", "lr", "epochs", "patience", "weight_decay")
    _rules: ClassVar = {
        "preset": one_of(*PRESETS),
        "hidden": NOTHING | widths(),
        "dropout": NOTHING | number(0, 1, closed=True),
        "lr": number(0),
        "epochs": whole(1),
        "patience": whole(1),
        "batch_size": NOTHING | whole(1),
        "weight_decay": number(0, closed=True),
        "validation_fraction": number(0, 1, closed=True),
        "standardize": FLAG,
        "select": SELECT,
        "class_weight": CLASS_WEIGHT,
        "random_state": SEED,
    }
    history_: dict[str, list[float]]
    best_epoch_: int

    def __init__(
        self,
        preset: str = "mlp",
        *,
        hidden: Any = None,
        dropout: float | None = None,
        lr: float = 1e-3,
        epochs: int = 100,
        patience: int = 5,
        batch_size: int | None = None,
        weight_decay: float = 1e-4,
        validation_fraction: float = 0.1,
        standardize: bool = True,
        select: Any = None,
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
        self.select = select
        self.class_weight = class_weight
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        widths: Sequence[int] = (),
        validation_data: Any = None,
    ) -> Self:
        """Learn from features and labels.

        Parameters
        ----------
        X, y, sample_weight, groups, widths
            As for every head. Batches are read as they are needed: a memory map stays on disk.
        validation_data : tuple (X, y), optional
            Watched for early stopping instead of a part of the training samples: give samples that
            judge nothing afterwards. Samples of classes that training lacks are left out, and if
            none remain, a part of the training samples is watched after all.

        Raises
        ------
        TrainingDataError, ConfigError
        """
        self._check_params()
        data = self._prepare(X, y, sample_weight, groups, widths)
        self._fit_jointly([self], self._watching(data, validation_data))
        return self

    @classmethod
    def _fit_jointly(cls, heads: Sequence[Self], data: Training) -> None:
        first = heads[0]
        seed = first._seed()
        generator = np.random.default_rng(seed)
        watched = data.watched
        if watched is None:
            data, watched = first._hold_out(data, generator)
        first._fit_scaler(data)
        for head in heads[1:]:
            head._take_scale(first)
        for part in _jointly_trained(heads, data):
            specs = [head._spec(seed) for head in part]
            # Every part starts at the same state: each network sees the order that it would alone.
            for head, trained in zip(
                part, first._train(specs, data, watched, deepcopy(generator)), strict=True
            ):
                head._keep(trained)

    def _seed(self) -> int:
        if hasattr(self.random_state, "randint"):
            return int(self.random_state.randint(2**31 - 1))
        if self.random_state is None:
            return int(np.random.default_rng().integers(2**31 - 1))
        return int(self.random_state)

    @property
    def _shape(self) -> Preset:
        preset = PRESETS[self.preset]
        hidden = preset.hidden if self.hidden is None else tuple(int(n) for n in self.hidden)
        # The dropout of a preset belongs to its hidden layers.
        dropout = (preset.dropout if hidden else 0.0) if self.dropout is None else self.dropout
        dropout = float(dropout)
        return Preset(hidden, dropout, preset.dropout_first)

    def _watching(self, data: Training, validation_data: Any) -> Training:
        watched = None if validation_data is None else self._outside(validation_data)
        return replace(data, watched=watched)

    def _outside(self, validation_data: Any) -> Training | None:
        """Check validation samples that the caller chose."""
        X, y = self._read(validation_data[0]), np.asarray(validation_data[1])
        if y.shape != (X.shape[0],):
            raise TrainingDataError(
                f"validation_data: X has {X.shape[0]} rows but y has the shape {y.shape}"
            )
        rows = np.flatnonzero(np.isin(y, self.classes_))
        if not len(rows):
            return None
        X = X if len(rows) == len(y) else take_rows(X, rows)
        check_finite(X)
        codes = np.searchsorted(self.classes_, y[rows]).astype(np.int64)
        return Training(X, codes, None, len(self.classes_))

    def _hold_out(
        self, data: Training, generator: np.random.Generator
    ) -> tuple[Training, Training | None]:
        """Set ``validation_fraction`` of each class aside."""
        if not self.validation_fraction:
            return data, None
        mask = hold_out(data.y, self.validation_fraction, generator, data.groups)
        if not mask.any():
            return data, None
        return data.take(np.flatnonzero(~mask)), data.take(np.flatnonzero(mask))

    def _spec(self, seed: int) -> NetworkSpec:
        return NetworkSpec(
            shape=self._shape,
            lr=float(self.lr),
            weight_decay=float(self.weight_decay),
            epochs=int(self.epochs),
            patience=int(self.patience),
            seed=seed,
        )

    def _train(
        self,
        specs: Sequence[NetworkSpec],
        data: Training,
        watched: Training | None,
        generator: np.random.Generator,
    ) -> list[Trained]:
        from ..matmul.workers import Workers
        from .batches import Batches, scaled_rows
        from .early_stopping import Judgement, evaluate, train

        seen, others = _spread(data), [] if watched is None else [watched]
        samples = [(part, *scaled_rows(part.X, self._scaled)) for part in (seen, *others)]

        def measure(networks: Sequence[Layers]) -> list[tuple[Judgement, Judgement | None]]:
            seen_by, *watched_by = (
                evaluate(networks, replace(part, X=X), scale, workers, part is watched)
                for part, X, scale in samples
            )
            if not watched_by:
                return [(one, None) for one in seen_by]
            return list(zip(seen_by, watched_by[0], strict=True))

        batches = Batches(data, self._batch_rows(len(data.y)), self._scaled)
        with Workers() as workers:
            return train(specs, batches, data.n_classes, measure, generator)

    def _batch_rows(self, n_samples: int) -> int:
        """Return ``batch_size``; by default as many as make an epoch of ``EPOCH_STEPS`` steps."""
        if self.batch_size is not None:
            return int(self.batch_size)
        rows = n_samples // EPOCH_STEPS // LEAST_BATCH * LEAST_BATCH
        return min(max(rows, LEAST_BATCH), MOST_BATCH)

    def _keep(self, trained: Trained) -> None:
        for i, (kernel, bias) in enumerate(trained.layers):
            setattr(self, f"kernel_{i}_", kernel)
            setattr(self, f"bias_{i}_", bias)
        self.history_, self.best_epoch_ = trained.history, trained.best_epoch
        self.n_iter_ = len(trained.history["loss"])
        self.converged_ = "val_loss" not in trained.history or trained.stopped_early

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


def _spread(data: Training) -> Training:
    """Return training samples at even distances, at most ``SEEN_ROWS``."""
    n = len(data.y)
    return data.take(np.unique(np.linspace(0, n - 1, min(n, SEEN_ROWS)).astype(np.int64)))


def _jointly_trained(heads: Sequence[Any], data: Training) -> Iterator[list[Any]]:
    """Cut a grid into parts that one trainer takes, with weights within ``PART_BYTES``."""
    for is_compiled in (True, False):
        part: list[Any] = []
        n_bytes = 0
        for head in (head for head in heads if fits(head._spec(0)) == is_compiled):
            widths = (data.X.shape[1], *head._shape.hidden, data.n_classes)
            size = 4 * sum((n_inputs + 1) * n for n_inputs, n in pairwise(widths))
            if part and n_bytes + size > PART_BYTES:
                yield part
                part, n_bytes = [], 0
            part.append(head)
            n_bytes += size
        if part:
            yield part
