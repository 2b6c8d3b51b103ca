"""A network that is ready to learn classes from batches, and the means of what they report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...extractor.engines.keras_import import import_keras


def compile_classifier(model: Any, optimiser: Any) -> Any:
    """Compile a ``keras.Model`` that ends in logits for cross-entropy; return it.

    One logit stands for two classes.
    """
    keras = import_keras()
    losses, metrics = keras.losses, keras.metrics
    is_binary = model.output_shape[-1] == 1
    loss = losses.BinaryCrossentropy if is_binary else losses.SparseCategoricalCrossentropy
    accuracy = (
        metrics.BinaryAccuracy("accuracy", threshold=0.0)
        if is_binary
        else metrics.SparseCategoricalAccuracy("accuracy")
    )
    # XLA compiles convolutions for processors to code that is several times slower than what
    # TensorFlow runs by itself; JAX has nothing else.
    jit = "auto" if keras.backend.backend() == "jax" else False
    model.compile(optimiser, loss(from_logits=True), weighted_metrics=[accuracy], jit_compile=jit)
    return model


class BatchMean:
    """The mean of batches' losses and accuracies, each batch weighted by its samples."""

    def __init__(self) -> None:
        self._sums = {"loss": 0.0, "accuracy": 0.0}
        self._weight = 0.0

    def add(self, logs: Mapping[str, Any], weight: float) -> None:
        """Count a batch."""
        for name in self._sums:
            self._sums[name] += weight * float(logs[name])
        self._weight += weight

    def values(self) -> dict[str, float]:
        """Return the means so far; zeros where nothing was counted."""
        weight = max(self._weight, 1e-12)
        return {name: total / weight for name, total in self._sums.items()}
