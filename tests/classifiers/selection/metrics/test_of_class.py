"""Metrics that name a class or a file of costs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from metrics_shared import EIGHT, random_rows
from sklearn import metrics as peer

from featx.cache.errors import ConfigError
from featx.classifiers.selection.metrics import bootstrap_draws, find_metric, measure

COSTS = ",b,a\nb,0,7\na,2,0\n"


@pytest.mark.parametrize("kind", ["recall", "precision", "f1"])
def test_a_metric_of_a_class_equals_scikit_learn(kind: str) -> None:
    y, P = random_rows()
    name = f"{kind}:c"
    found = measure(y, P, EIGHT, [find_metric(name)])
    expected = getattr(peer, f"{kind}_score")(y == 2, P.argmax(axis=1) == 2)
    assert found.metrics[name] == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["auc", "average_precision"])
def test_a_ranking_of_a_class_equals_scikit_learn(kind: str) -> None:
    y, P = random_rows()
    function = {"auc": peer.roc_auc_score, "average_precision": peer.average_precision_score}[kind]
    found = measure(y, P, EIGHT, [find_metric(f"{kind}:c")])
    assert found.metrics[f"{kind}:c"] == pytest.approx(function(y == 2, P[:, 2]))


def test_the_interval_of_a_recall_rests_on_the_rows_of_the_class() -> None:
    y = np.array([0] * 100 + [1] * 3)
    found = measure(y, np.eye(2)[y], "ab", [find_metric("recall:b")])
    low, high = found.intervals["recall:b"]
    assert low == pytest.approx(0.4385, abs=1e-4) and high == 1


def test_costs_are_read_by_name_and_averaged(tmp_path: Path) -> None:
    path = tmp_path / "costs.csv"
    path.write_text(COSTS)
    y, P = np.array([0, 0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]])
    metric = find_metric(f"cost:{path}")
    assert measure(y, P, "ab", [metric]).metrics[metric.name] == (2 + 7) / 4
    assert not metric.higher_is_better
    draws = bootstrap_draws([metric], y, P, 50, class_names=("a", "b"))[metric.name]
    assert 0 <= draws.min() < draws.max() <= 7
    with pytest.raises(ConfigError, match="no row for 'c'"):
        metric.check(("a", "b", "c"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("recal:Shirt", "Did you mean recall"),
        ("accuracy:Shirt", "Of a class: recall, precision"),
        ("recall:", "as recall:Shirt"),
        ("cost:nowhere.csv", "nowhere.csv: not readable"),
    ],
)
def test_an_unknown_form_is_refused(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        find_metric(name)


def test_a_class_that_is_not_there_is_named_with_a_likely_one() -> None:
    with pytest.raises(ConfigError, match="Did you mean Shirt"):
        find_metric("recall:Shrt").check(("Bag", "Shirt"))
    undefined = measure(np.zeros(4, np.int64), np.eye(2)[[0] * 4], "ab", [find_metric("recall:b")])
    assert undefined.undefined["recall:b"] == "no row of 'b'"
