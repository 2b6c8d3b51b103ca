"""Networks of at most one hidden layer, trained jointly by compiled steps, without Keras.

``_dense.learn`` lets networks learn from batches. The tests hold it to Keras' own layers and AdamW,
which train the same networks where the compiled code is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....extractor.machine.hardware import n_usable_cores
from .batches import Batches
from .network import Layers, NetworkSpec, initial_kernels

try:
    from . import _dense
except ImportError:  # no compiler was there when the package was installed
    IS_COMPILED = False
else:
    IS_COMPILED = True

# Units and inputs are padded to whole panels.
PANEL = 32
MAX_HIDDEN_LAYERS = 1
# First layers of this many weights and more are multiplied in bfloat16 where that is faster.
FAST_SIZE = 1 << 17


def fits(spec: NetworkSpec) -> bool:
    """Say whether the compiled steps train such a network."""
    return IS_COMPILED and len(spec.shape.hidden) <= MAX_HIDDEN_LAYERS


class CompiledNetworks:
    """Networks that learn from the same batches, each to the same bits as alone.

    A batch is laid out once for all. Large first layers are multiplied in bfloat16 where the
    processor can; weights, sums and all else are float32.

    Parameters
    ----------
    specs : sequence of NetworkSpec
        ``fits`` says which may be among them. They share their seed.
    n_features, n_classes, batch_size : int
    """

    def __init__(
        self, specs: Sequence[NetworkSpec], n_features: int, n_classes: int, batch_size: int
    ) -> None:
        self._sizes = (n_features, n_classes, batch_size)
        self._networks = [_Network(spec, n_features, n_classes) for spec in specs]
        self._views = sorted({_input_dropout(spec) for spec in specs})
        self._running = list(range(len(specs)))
        self._n_steps = 0

    def epoch(self, batches: Batches, generator: np.random.Generator) -> list[float]:
        """Let the running networks learn from every batch once.

        Returns
        -------
        list of float
            Each network's mean training loss; NaN for those that do not run.
        """
        losses, n_steps = np.full(len(self._networks), np.nan), 0
        losses[self._running] = 0
        for window in batches.windows(generator):
            n_batches = len(window.rows) // self._sizes[-1]
            weight = b"" if window.weight is None else window.weight
            data = (window.X, window.rows, window.y, weight)
            sizes = (*self._sizes, n_batches, self._n_steps + n_steps)
            networks = [self._networks[i].arguments(self._views) for i in self._running]
            views = [(rate, _key(seed, 0)) for rate, seed in self._views]
            losses[self._running] += _dense.learn(networks, views, data, sizes, n_usable_cores())
            n_steps += n_batches
        self._n_steps += n_steps
        return [float(loss) for loss in losses / n_steps]

    def layers(self, network: int) -> Layers:
        """Return a network's kernels and biases."""
        return self._networks[network].layers()

    def keep_running(self, running: Sequence[int]) -> None:
        """Let only some of the networks go on learning."""
        self._running = list(running)


@dataclass(frozen=True)
class _Weights:
    """A network's weights, as views of one array; ``top`` is the layer after a hidden one."""

    units: NDArray[np.float32]  # (n_units, n_features), both padded
    bias: NDArray[np.float32]
    top: NDArray[np.float32]  # (n_hidden, n_classes)
    top_bias: NDArray[np.float32]


class _Network:
    def __init__(self, spec: NetworkSpec, n_features: int, n_classes: int) -> None:
        self._spec = spec
        (self._n_hidden,) = spec.shape.hidden or (0,)
        # Without a hidden layer, the units are the classes.
        self._n_units = self._n_hidden or n_classes
        self._n_features = n_features
        n_units, n_inputs = _padded(self._n_units), _padded(n_features)
        n_top = n_classes if self._n_hidden else 0
        bounds = np.cumsum([n_units * n_inputs, n_units, self._n_hidden * n_top, n_top])
        # Weights, and Adam's means of the gradients and of their squares.
        self._state = np.zeros((3, bounds[-1]), np.float32)
        parts = np.split(self._state[0], bounds[:-1])
        units, top = parts[0].reshape(n_units, n_inputs), parts[2].reshape(self._n_hidden, n_top)
        self._weights = _Weights(units, parts[1], top, parts[3])
        first, *others = initial_kernels(spec, n_features, n_classes)
        units[: self._n_units, :n_features] = first.T
        for kernel in others:
            top[:] = kernel

    def arguments(
        self, views: Sequence[tuple[float, int]]
    ) -> tuple[NDArray[np.float32], int, int, bool, float, float, float, int]:
        """Return a network's arguments of ``_dense.learn``; ``views`` are the input dropouts."""
        spec = self._spec
        return (
            self._state,
            self._n_hidden,
            views.index(_input_dropout(spec)),
            self._n_units * self._n_features >= FAST_SIZE,
            spec.lr,
            spec.weight_decay,
            spec.dropout_rates[1] if self._n_hidden else 0.0,
            _key(spec.seed, 1),
        )

    def layers(self) -> Layers:
        """Return copies of kernels ``(n_inputs, n_outputs)`` and biases, in order."""
        weights, n_units = self._weights, self._n_units
        kernel = np.ascontiguousarray(weights.units[:n_units, : self._n_features].T)
        first = (kernel, weights.bias[:n_units].copy())
        top = (weights.top.copy(), weights.top_bias.copy())
        return [first, top] if self._n_hidden else [first]


def _input_dropout(spec: NetworkSpec) -> tuple[float, int]:
    """Return the rate and the seed of the inputs' dropout: networks with equal ones share it."""
    rate = spec.dropout_rates[0]
    return rate, spec.seed if rate else 0


def _key(seed: int, position: int) -> int:
    """Return the key of a layer's dropout draws."""
    return int(np.random.SeedSequence([seed, position]).generate_state(1, np.uint64)[0])


def _padded(n: int) -> int:
    return -(-n // PANEL) * PANEL
