"""Small data sets whose optimum scikit-learn finds too."""

import numpy as np
import pytest


def make_data(n=300, d=12, k=4, seed=0):
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((k, d))
    y = np.concatenate([np.arange(k), generator.integers(0, k, n - k)])
    mix = np.eye(d) + 0.5 * generator.standard_normal((d, d))
    X = (centres[y] + 1.5 * generator.standard_normal((n, d))) @ mix
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    return X.astype(np.float32), y


@pytest.fixture
def data():
    return make_data()


@pytest.fixture
def binary():
    return make_data(k=2)


def objective(X, y, coef, intercept, C, loss="logistic", weights=None):
    """The objective in float64, written on its own."""
    weights = np.ones(len(X)) if weights is None else weights
    z = X.astype(np.float64) @ coef.T + intercept
    if loss == "squared_hinge":
        positive = np.arange(1, 2) if len(coef) == 1 else np.arange(len(coef))
        sign = np.where(y[:, None] == positive, 1, -1)
        losses = (np.maximum(1 - sign * z, 0) ** 2).sum(axis=1)
    else:
        z = np.concatenate([np.zeros_like(z), z], axis=1) if len(coef) == 1 else z
        losses = np.logaddexp.reduce(z, axis=1) - z[np.arange(len(z)), y]
    return C * float(weights @ losses) + 0.5 * float((coef**2).sum())
