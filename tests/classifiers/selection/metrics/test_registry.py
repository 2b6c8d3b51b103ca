"""Each metric against scikit-learn or a worked example; what is undefined is absent."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from metrics_shared import EIGHT, random_rows
from sklearn import metrics as peer
from sklearn.preprocessing import label_binarize

from featx.cache.errors import ConfigError
from featx.classifiers.selection.metrics import (
    METRICS,
    WeightedRows,
    find_metric,
    measure,
    wilson_interval,
)


def expected_error(y: np.ndarray, P: np.ndarray) -> float:
    """The expected calibration error, bin by bin."""
    confidence, right, total = P.max(axis=1), P.argmax(axis=1) == y, 0.0
    for low, high in pairwise(np.linspace(0, 1, 16)):
        rows = (confidence > low) & (confidence <= high)
        if rows.any():
            total += rows.sum() * abs(right[rows].mean() - confidence[rows].mean())
    return total / len(y)


def squared_error(y: np.ndarray, P: np.ndarray) -> float:
    """Brier's score as scikit-learn computes it from version 1.8 on."""
    errors = np.square(P - np.eye(P.shape[1])[y]).sum(axis=1).mean()
    return errors / 2 if P.shape[1] == 2 else errors


def averages(y: np.ndarray, P: np.ndarray) -> np.ndarray:
    onehot = label_binarize(y, classes=range(P.shape[1]))
    if P.shape[1] == 2:
        return peer.average_precision_score(y, P[:, 1])
    return peer.average_precision_score(onehot, P, average="macro")


def area(y: np.ndarray, P: np.ndarray, average: str) -> float:
    scores = P[:, 1] if P.shape[1] == 2 else P
    return peer.roc_auc_score(y, scores, multi_class="ovr", average=average)


def weighted_area(y: np.ndarray, P: np.ndarray) -> float:
    return area(y, P, "weighted")


# What scikit-learn says of the same rows: y, probabilities, the most probable class.
EXPECTED = {
    "accuracy": lambda y, P, best: peer.accuracy_score(y, best),
    "f1": lambda y, P, best: peer.f1_score(y, best, average="macro"),
    "auc": lambda y, P, best: area(y, P, "macro"),
    "balanced_accuracy": lambda y, P, best: peer.balanced_accuracy_score(y, best),
    "log_loss": lambda y, P, best: peer.log_loss(y, P, labels=range(P.shape[1])),
    "top5": lambda y, P, best: peer.top_k_accuracy_score(y, P, k=5),
    "top3": lambda y, P, best: peer.top_k_accuracy_score(y, P, k=3),
    "precision": lambda y, P, best: peer.precision_score(y, best, average="macro"),
    "recall": lambda y, P, best: peer.recall_score(y, best, average="macro"),
    "auc_weighted": lambda y, P, best: weighted_area(y, P),
    "average_precision": lambda y, P, best: averages(y, P),
    "mcc": lambda y, P, best: peer.matthews_corrcoef(y, best),
    "brier": lambda y, P, best: squared_error(y, P),
    "ece": lambda y, P, best: expected_error(y, P),
}


@pytest.mark.parametrize("decimals", [17, 1], ids=["distinct", "tied"])
@pytest.mark.parametrize("n_classes", [2, 8])
@pytest.mark.parametrize("name", METRICS)
def test_metrics_equal_scikit_learn(name: str, n_classes: int, decimals: int) -> None:
    y, probabilities = random_rows(n_classes=n_classes)
    rounded = probabilities.round(decimals)
    probabilities = rounded / rounded.sum(axis=1, keepdims=True)
    if name.startswith("top") and n_classes == 2:
        assert METRICS[name].undefined(y, "ab") == f"no more than {name[3:]} classes"
        return
    if name == "auc_weighted" and n_classes == 2:
        return  # scikit-learn knows one area of two classes: both classes have it
    expected = EXPECTED[name](y, probabilities, probabilities.argmax(axis=1))
    measured = measure(y, probabilities, EIGHT[:n_classes]).metrics[name]
    assert measured == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", METRICS)
def test_a_perfect_head_has_the_best_value(name: str) -> None:
    y, probabilities = random_rows()
    perfect = np.eye(8)[y]
    values = [measure(y, P, EIGHT).metrics[name] for P in (probabilities, perfect)]
    ranks = [METRICS[name].rank(value) for value in values]
    assert ranks[1] < ranks[0] < METRICS[name].rank(None)


@pytest.mark.parametrize("name", METRICS)
def test_a_row_of_weight_two_counts_as_two_rows(name: str) -> None:
    y, probabilities = random_rows()
    counts = np.random.default_rng(1).integers(0, 3, (len(y), 2))
    weighted = METRICS[name].function(WeightedRows(y, probabilities, counts.astype(np.float32)))
    for draw, value in enumerate(weighted):
        rows = np.repeat(np.arange(len(y)), counts[:, draw])
        repeated = measure(y[rows], probabilities[rows], EIGHT).metrics[name]
        assert value == pytest.approx(repeated, rel=1e-5)


def test_single_precision_is_measured_as_scikit_learn_does() -> None:
    y, probabilities = random_rows()
    sure = np.where(probabilities > 0.5, 1, 0).astype(np.float32)
    sure[sure.sum(axis=1) == 0, 0] = 1
    for P in (sure, probabilities.astype(np.float32)):
        expected = peer.log_loss(y, P, labels=range(8))
        assert measure(y, P, EIGHT).metrics["log_loss"] == pytest.approx(expected, rel=1e-6)


def test_auc_of_two_classes() -> None:
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5], [0.1, 0.9]])
    assert measure(np.array([0, 0, 1, 1]), probabilities, "ab").metrics["auc"] == 0.75


def test_what_is_undefined_is_absent_and_says_why() -> None:
    measures = measure(np.array([0, 0]), np.array([[0.9, 0.1], [0.4, 0.6]]), "ab")
    assert "auc" not in measures.metrics and measures.undefined["auc"] == "no row of 'b'"
    assert METRICS["auc"].undefined(np.array([0]), EIGHT).endswith("'d' and 4 more")
    nothing = measure(np.zeros(0, np.int64), np.zeros((0, 2)), "ab")
    assert not nothing.metrics and not nothing.intervals
    assert nothing.undefined == dict.fromkeys(METRICS, "no rows")


def test_what_the_predictions_leave_undefined_is_absent_too() -> None:
    always = measure(np.array([0, 1, 1]), np.array([[0.9, 0.1]] * 3), "ab")
    assert always.undefined["precision"] == "a class that occurs is never predicted"
    assert always.undefined["mcc"] == "one class only occurs or is predicted"
    assert always.metrics["f1"] == pytest.approx(0.25)
    assert always.metrics["recall"] == 0.5


def test_shares_have_an_interval() -> None:
    measures = measure(*random_rows(), EIGHT)
    assert set(measures.intervals) == {"accuracy", "top3", "top5"}
    for name, (low, high) in measures.intervals.items():
        assert low < measures.metrics[name] < high


def test_an_unknown_metric_names_those_that_are_meant() -> None:
    with pytest.raises(ConfigError, match="Did you mean accuracy"):
        find_metric("acuracy")


def test_wilson_interval_of_the_textbook() -> None:
    low, high = wilson_interval(0.9, 100)
    assert (low, high) == pytest.approx((0.8256, 0.9448), abs=1e-4)
    assert wilson_interval(0.0, 0) == (0.0, 1.0)
