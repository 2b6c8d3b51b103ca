"""Each metric against scikit-learn or a worked example; what is undefined is absent."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    roc_auc_score,
    top_k_accuracy_score,
)

from featx.cache.errors import ConfigError
from featx.classifiers.selection.metrics import (
    METRICS,
    Predictions,
    find_metric,
    measure,
    wilson_interval,
)

NAMES = "abcdefgh"
# What scikit-learn says of the same rows: y, probabilities, the most probable class.
EXPECTED = {
    "accuracy": lambda y, P, predicted: accuracy_score(y, predicted),
    "f1": lambda y, P, predicted: f1_score(y, predicted, average="macro"),
    "auc": lambda y, P, predicted: roc_auc_score(y, P, multi_class="ovr", average="macro"),
    "balanced_accuracy": lambda y, P, predicted: balanced_accuracy_score(y, predicted),
    "log_loss": lambda y, P, predicted: log_loss(y, P, labels=range(8)),
    "top5": lambda y, P, predicted: top_k_accuracy_score(y, P, k=5),
}


def random_rows(n: int = 300, n_classes: int = 8) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, n_classes, n)
    probabilities = rng.dirichlet(np.ones(n_classes), n)
    probabilities[np.arange(n), y] += 0.1
    return y, probabilities / probabilities.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("name", METRICS)
def test_metrics_equal_scikit_learn(name: str) -> None:
    y, probabilities = random_rows()
    expected = EXPECTED[name](y, probabilities, probabilities.argmax(axis=1))
    assert measure(y, probabilities, NAMES).metrics[name] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", METRICS)
def test_a_perfect_head_has_the_best_value(name: str) -> None:
    y, probabilities = random_rows()
    perfect = np.eye(8)[y]
    values = [measure(y, P, NAMES).metrics[name] for P in (probabilities, perfect)]
    ranks = [METRICS[name].rank(value) for value in values]
    assert ranks[1] < ranks[0] < METRICS[name].rank(None)


def test_top5_breaks_ties_as_scikit_learn() -> None:
    y, probabilities = random_rows()
    rounded = probabilities.round(1)
    expected = top_k_accuracy_score(y, rounded, k=5, labels=range(8))
    assert METRICS["top5"].function(Predictions(y, rounded)) == expected


def test_auc_of_two_classes() -> None:
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5], [0.1, 0.9]])
    assert measure(np.array([0, 0, 1, 1]), probabilities, "ab").metrics["auc"] == 0.75


def test_what_is_undefined_is_absent_and_says_why() -> None:
    measures = measure(np.array([0, 0]), np.array([[0.9, 0.1], [0.4, 0.6]]), "ab")
    assert "auc" not in measures.metrics and measures.undefined["auc"] == "no row of 'b'"
    assert METRICS["auc"].undefined(np.array([0]), NAMES).endswith("'d' and 4 more")
    nothing = measure(np.zeros(0, np.int64), np.zeros((0, 2)), "ab")
    assert not nothing.metrics and not nothing.intervals
    assert nothing.undefined == dict.fromkeys(METRICS, "no rows")


def test_shares_have_an_interval() -> None:
    measures = measure(*random_rows(), NAMES)
    assert "accuracy" in measures.intervals
    for name, (low, high) in measures.intervals.items():
        assert low < measures.metrics[name] < high


def test_an_unknown_metric_names_those_that_are_meant() -> None:
    with pytest.raises(ConfigError, match="Did you mean accuracy"):
        find_metric("acuracy")


def test_wilson_interval_of_the_textbook() -> None:
    low, high = wilson_interval(0.9, 100)
    assert (low, high) == pytest.approx((0.8256, 0.9448), abs=1e-4)
    assert wilson_interval(0.0, 0) == (0.0, 1.0)
