"""The network of a dense head: its shape, how it is trained, and its logits."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ..row_blocks import Floats, Ints

Layers = list[tuple[Floats, Floats]]


@dataclass(frozen=True)
class Preset:
    """A network's shape.

    Attributes
    ----------
    hidden : tuple of int
        Widths of the ReLU layers.
    dropout : float
        Share of units that each training step silences; without a hidden layer, of the inputs.
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


@dataclass(frozen=True)
class NetworkSpec:
    """How one network is shaped and trained; ``seed`` decides initial weights and dropout."""

    shape: Preset
    lr: float
    weight_decay: float
    epochs: int
    patience: int
    seed: int = 0

    @property
    def dropout_rates(self) -> tuple[float, ...]:
        """Share of silenced units before each layer, the last one included."""
        n_hidden = len(self.shape.hidden)
        if not n_hidden:
            return (self.shape.dropout,)
        rates = (self.shape.dropout,) * n_hidden
        return (*rates, 0.0) if self.shape.dropout_first else (0.0, *rates)


@dataclass(frozen=True)
class Trained:
    """The best epoch's layers, the learning curves, and whether training stopped by itself."""

    layers: Layers
    history: dict[str, list[float]]
    best_epoch: int
    stopped_early: bool


def initial_kernels(spec: NetworkSpec, n_features: int, n_classes: int) -> list[Floats]:
    """Return the kernels that training starts from, the same for the same seed.

    Hidden layers are drawn (Glorot & Bengio 2010). The last layer is zero, so that all classes
    start equally probable: what is drawn there would stay in the logits as noise.
    """
    sizes = (n_features, *spec.shape.hidden)
    kernels = []
    for layer, (n_inputs, n_outputs) in enumerate(pairwise(sizes)):
        limit = np.sqrt(6 / (n_inputs + n_outputs))
        generator = np.random.default_rng([spec.seed, layer])
        drawn = generator.uniform(-limit, limit, (n_inputs, n_outputs))
        kernels.append(drawn.astype(np.float32))
    return [*kernels, np.zeros((sizes[-1], n_classes), np.float32)]


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
