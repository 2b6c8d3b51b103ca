from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from featx.classifiers.selection.metrics import measure, wilson_interval


def test_metrics_equal_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 200)
    probabilities = rng.dirichlet(np.ones(4), 200)
    probabilities[np.arange(200), y] += 0.3
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    found = measure(y, probabilities)
    predicted = probabilities.argmax(axis=1)
    assert found["accuracy"] == accuracy_score(y, predicted)
    assert found["f1"] == pytest.approx(f1_score(y, predicted, average="macro"))
    expected = roc_auc_score(y, probabilities, multi_class="ovr", average="macro")
    assert found["auc"] == pytest.approx(expected)


def test_auc_of_two_classes_and_of_a_missing_class() -> None:
    y = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5], [0.1, 0.9]])
    assert measure(y, probabilities)["auc"] == 0.75
    assert "auc" not in measure(np.array([0, 0]), probabilities[:2])


def test_wilson_interval_of_the_textbook() -> None:
    low, high = wilson_interval(0.9, 100)
    assert (low, high) == pytest.approx((0.8256, 0.9448), abs=1e-4)
    assert wilson_interval(0.0, 0) == (0.0, 1.0)
