"""Networks of any depth, each trained by Keras, on whichever backend Keras runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ....extractor.engines.keras_import import import_keras
from .batches import Batches
from .network import Layers, NetworkSpec, initial_kernels


class KerasNetworks:
    """Networks that learn from the same batches, one after the other.

    Parameters
    ----------
    specs : sequence of NetworkSpec
    n_features, n_classes, batch_size : int
    """

    def __init__(
        self, specs: Sequence[NetworkSpec], n_features: int, n_classes: int, batch_size: int
    ) -> None:
        self._models = [_build(spec, n_features, n_classes, batch_size) for spec in specs]
        self._running = list(range(len(specs)))

    def epoch(self, batches: Batches, generator: np.random.Generator) -> list[float]:
        """Let the running networks learn from every batch once.

        Returns
        -------
        list of float
            Each network's mean training loss; NaN for those that do not run.
        """
        losses = np.full(len(self._models), np.nan)
        losses[self._running] = 0
        n_batches = 0
        for X, y, weight in batches.epoch(generator):
            n_batches += 1
            for i in self._running:
                self._models[i].reset_metrics()  # not every version of Keras does
                loss = self._models[i].train_on_batch(X, y, sample_weight=weight)
                losses[i] += float(np.ravel(loss)[0])
        return [float(loss) for loss in losses / n_batches]

    def layers(self, network: int) -> Layers:
        """Return a network's kernels and biases."""
        arrays = self._models[network].get_weights()
        return list(zip(arrays[::2], arrays[1::2], strict=True))

    def keep_running(self, running: Sequence[int]) -> None:
        """Let only some of the networks go on learning."""
        self._running = list(running)


def _build(spec: NetworkSpec, n_features: int, n_classes: int, batch_size: int) -> Any:
    keras = import_keras()
    widths = (*spec.shape.hidden, n_classes)
    model = keras.Sequential([keras.Input((n_features,), batch_size=batch_size)])
    for i, (width, dropout) in enumerate(zip(widths, spec.dropout_rates, strict=True)):
        if dropout:
            model.add(keras.layers.Dropout(dropout, seed=spec.seed + i))
        is_last = i == len(widths) - 1
        model.add(keras.layers.Dense(width, None if is_last else "relu", dtype="float32"))
    kernels = initial_kernels(spec, n_features, n_classes)
    model.set_weights([a for kernel in kernels for a in (kernel, np.zeros(kernel.shape[1]))])
    model.compile(
        optimizer=keras.optimizers.AdamW(spec.lr, weight_decay=spec.weight_decay),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        # On CPUs, XLA as TensorFlow calls it draws the numbers of dropout many times slower.
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )
    return model
