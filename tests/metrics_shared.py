"""Rows with made-up probabilities."""

from __future__ import annotations

import numpy as np

EIGHT = "abcdefgh"


def random_rows(n: int = 300, n_classes: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return true classes and probabilities that favour them a little."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    probabilities = rng.dirichlet(np.ones(n_classes), n)
    probabilities[np.arange(n), y] += 0.1
    return y, probabilities / probabilities.sum(axis=1, keepdims=True)
