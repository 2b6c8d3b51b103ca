"""Networks of at most one hidden layer, trained together by compiled steps, without Keras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....extractor.hardware import n_usable_cores
from .dense_batches import Batches
from .dense_plan import Layers, Plan, glorot_uniform

try:
    from . import _dense
except ImportError:  # no compiler was there when the package was installed
    IS_COMPILED = False
else:
    IS_COMPILED = True

# Units and inputs are filled up to whole panels.
PANEL = 32
MAX_HIDDEN_LAYERS = 1
# Hidden kernels of this many numbers and more are multiplied in bfloat16 where that is faster.
FAST_SIZE = 1 << 17


def fits(plan: Plan) -> bool:
    """Say whether the compiled steps train such a network."""
    return IS_COMPILED and len(plan.shape.hidden) <= MAX_HIDDEN_LAYERS


class CompiledNetworks:
    """Networks that learn from the same batches, each to the same bits as alone.

    A batch is laid out once for all. Large hidden layers are multiplied in bfloat16 where the
    processor has tiles for it; weights, sums and all else are float32.

    Parameters
    ----------
    plans : sequence of Plan
        ``fits`` says which may be among them. They share their seed.
    n_features, n_classes, batch_size : int
    """

    def __init__(
        self, plans: Sequence[Plan], n_features: int, n_classes: int, batch_size: int
    ) -> None:
        self._sizes = (n_features, n_classes, batch_size)
        self._networks = [_Network(plan, n_features, n_classes) for plan in plans]
        self._views = sorted({_dropout_of_inputs(plan) for plan in plans})
        self._running = list(range(len(plans)))
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
class _Parts:
    """A network's weights, as views of one array: units first in the hidden layer."""

    hidden: NDArray[np.float32]
    bias: NDArray[np.float32]
    top: NDArray[np.float32]
    top_bias: NDArray[np.float32]


class _Network:
    def __init__(self, plan: Plan, n_features: int, n_classes: int) -> None:
        self._plan = plan
        (self._n_units,) = plan.shape.hidden or (0,)
        self._sizes = (n_features, n_classes)
        n_units, n_inputs = _padded(self._n_units), _padded(n_features)
        n_last = self._n_units or n_features
        bounds = np.cumsum([n_units * n_inputs, n_units, n_last * n_classes, n_classes])
        # Weights, and Adam's means of the gradients and of their squares.
        self._state = np.zeros((3, bounds[-1]), np.float32)
        parts = np.split(self._state[0], bounds[:-1])
        self._parts = _Parts(
            parts[0].reshape(n_units, n_inputs), parts[1], parts[2].reshape(n_last, -1), parts[3]
        )
        if self._n_units:
            start = glorot_uniform(n_features, self._n_units, plan.seed, 0)
            self._parts.hidden[: self._n_units, :n_features] = start.T
        self._parts.top[:] = glorot_uniform(n_last, n_classes, plan.seed, int(self._n_units > 0))

    def arguments(
        self, views: Sequence[tuple[float, int]]
    ) -> tuple[NDArray[np.float32], int, int, bool, float, float, float, int]:
        """Return what the compiled code wants to know."""
        plan = self._plan
        return (
            self._state,
            self._n_units,
            views.index(_dropout_of_inputs(plan)),
            self._n_units * self._sizes[0] >= FAST_SIZE,
            plan.lr,
            plan.weight_decay,
            plan.dropout_rates[1] if self._n_units else 0.0,
            _key(plan.seed, 1),
        )

    def layers(self) -> Layers:
        """Return copies of kernels ``(n_inputs, n_outputs)`` and biases, in order."""
        parts, n_units = self._parts, self._n_units
        top = (parts.top.copy(), parts.top_bias.copy())
        if not n_units:
            return [top]
        kernel = np.ascontiguousarray(parts.hidden[:n_units, : self._sizes[0]].T)
        return [(kernel, parts.bias[:n_units].copy()), top]


def _dropout_of_inputs(plan: Plan) -> tuple[float, int]:
    """Return the rate and the seed of its draws: networks that share both see one batch."""
    rate = plan.dropout_rates[0]
    return rate, plan.seed if rate else 0


def _key(seed: int, position: int) -> int:
    """Return what the draws of a layer hang on."""
    return int(np.random.SeedSequence([seed, position]).generate_state(1, np.uint64)[0])


def _padded(n: int) -> int:
    return -(-n // PANEL) * PANEL
