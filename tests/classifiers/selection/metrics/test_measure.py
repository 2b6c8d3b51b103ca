"""Each class by itself, and the confusion matrix."""

from __future__ import annotations

import numpy as np
import pytest
from metrics_shared import EIGHT, random_rows
from sklearn.metrics import (
    average_precision_score,
    precision_recall_fscore_support,
    roc_auc_score,
)

from featx.classifiers.selection.metrics import confusion, measure_classes


def test_each_class_equals_scikit_learn() -> None:
    y, probabilities = random_rows()
    expected = precision_recall_fscore_support(y, probabilities.argmax(axis=1))
    for label, measured in enumerate(measure_classes(y, probabilities, EIGHT)):
        is_one, scores = y == label, probabilities[:, label]
        assert measured["class"] == EIGHT[label]
        values = [measured[name] for name in ("precision", "recall", "f1", "rows")]
        assert values == pytest.approx([column[label] for column in expected], rel=1e-9)
        assert measured["auc"] == pytest.approx(roc_auc_score(is_one, scores))
        average = average_precision_score(is_one, scores)
        assert measured["average_precision"] == pytest.approx(average)


def test_what_a_class_lacks_is_absent() -> None:
    first, second = measure_classes(np.array([0, 0]), np.array([[0.9, 0.1], [0.8, 0.2]]), "ab")
    assert first == {
        "class": "a",
        "rows": 2,
        "precision": 1,
        "recall": 1,
        "f1": 1,
        "average_precision": 1,
    }
    assert second == {"class": "b", "rows": 0}


def test_confusion_counts_true_rows_by_predicted_columns() -> None:
    probabilities = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.3, 0.7, 0]])
    counts = confusion(np.array([0, 0, 1]), probabilities)
    assert counts.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
