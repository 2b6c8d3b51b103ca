"""Leaderboards of kept results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from metrics_shared import random_rows
from results_shared import keep, rows_of

from featx.cache import FeatureStore, ResultStore
from featx.cache.errors import ConfigError
from featx.classifiers.comparison.detail import detail
from featx.classifiers.comparison.leaderboard import leaderboards, results_of
from featx.classifiers.heads.registry import find_head
from featx.classifiers.selection.metrics import METRICS

TOL = find_head("logreg").parameters()["tol"]


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    store = FeatureStore(tmp_path)
    y, poor = random_rows(100, 2)
    good = 0.4 * poor + 0.6 * np.eye(2)[y]
    keep(store, "knn", {"val": (rows_of(y), poor)})
    both = {"val": (rows_of(y), good), "test": (rows_of(y[:50]), good[:50])}
    keep(store, "logreg", both, params={"C": 0.5, "tol": TOL})
    return store


def test_the_best_stands_first_whatever_sorts(store: FeatureStore) -> None:
    for metric in METRICS.values():
        if metric.name in ("top3", "top5", "ece"):  # undefined, or better for the other one
            continue
        (board,) = leaderboards(results_of(store), metric)
        assert [e.result.name for e in board.entries] == ["logreg", "knn"]
        assert board.title == "100 validation rows"
        low, high = board.entries[1].scores.intervals[metric.name]
        assert low <= board.entries[1].value(metric) <= high


def test_intervals_are_computed_once(store: FeatureStore) -> None:
    leaderboards(results_of(store), METRICS["auc"])
    kept = ResultStore(store.layout).read()
    assert all("auc" in r.scores["val"].intervals for r in kept)


def test_results_on_other_rows_are_ranked_apart(store: FeatureStore) -> None:
    y, poor = random_rows(60, 2)
    keep(store, "svm", {"val": (rows_of(y), poor)})
    boards = leaderboards(results_of(store), METRICS["accuracy"])
    assert [[e.result.name for e in board.entries] for board in boards] == [
        ["logreg", "knn"],
        ["svm"],
    ]
    (test,) = leaderboards(results_of(store), METRICS["accuracy"], "test")
    assert [e.result.name for e in test.entries] == ["logreg"] and test.n_rows == 50


def test_parameters_are_those_of_the_grid_or_not_the_defaults(store: FeatureStore) -> None:
    (board,) = leaderboards(results_of(store), METRICS["accuracy"])
    assert board.entries[0].params == "C=0.5"
    cost = board.entries[0].cost
    assert cost.n_trained == 1234 and cost.n_parameters is None, "no such backbone is known"
    assert cost.extract_seconds == 1.0 and cost.fit_seconds == 1.5


def test_nothing_measured_says_what_to_run(store: FeatureStore) -> None:
    with pytest.raises(ConfigError, match="--split takes val or test"):
        leaderboards(results_of(store), METRICS["accuracy"], "train")
    for path in store.root.glob("results/*/*.json"):
        path.unlink()
    with pytest.raises(ConfigError, match="run `featx sweep`"):
        leaderboards(results_of(store), METRICS["accuracy"])


def test_one_result_in_full(store: FeatureStore) -> None:
    source = results_of(store)
    shown = detail(source, source.find("knn", "val", METRICS["accuracy"]), "val")
    assert sum(map(sum, shown.confusion)) == 100
    assert set(shown.intervals) == set(METRICS) - {"top3", "top5"}
    assert [one["class"] for one in shown.classes] == ["cat", "dog"]
    with pytest.raises(ConfigError, match="no predictions of the split 'test'"):
        detail(source, source.find("knn", "val", METRICS["accuracy"]), "test")
