"""Handwritten digits, split once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


@dataclass(frozen=True)
class Digits:
    """1,347 training and 450 test digits: float32 ``(n, 64)``, labels 0 to 9."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray

    def standardised(self, weight=None):
        mean = np.average(self.X, axis=0, weights=weight)
        scale = np.sqrt(np.average((self.X - mean) ** 2, axis=0, weights=weight))
        scale[scale == 0] = 1
        return (self.X - mean) / scale, (self.X_test - mean) / scale


@pytest.fixture(scope="session")
def digits() -> Digits:
    X, y = load_digits(return_X_y=True)
    parts = train_test_split(X.astype(np.float32), y, test_size=450, random_state=0, stratify=y)
    return Digits(parts[0], parts[2], parts[1], parts[3])
