"""Comparisons of kept results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from metrics_shared import random_rows
from results_shared import keep, rows_of
from sklearn.metrics import roc_auc_score

from featx.cache import FeatureStore
from featx.cache.errors import ConfigError
from featx.classifiers.comparison.compare import compare
from featx.classifiers.comparison.source_results import SourceResults
from featx.classifiers.comparison.wording import chance, in_words
from featx.classifiers.selection.metrics import METRICS


def two_classes(n: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return classes, poor probabilities and good ones."""
    y, poor = random_rows(n, 2)
    good = 0.4 * poor + 0.6 * np.eye(2)[y]
    return y, poor, good


def make_results(tmp_path: Path) -> SourceResults:
    store = FeatureStore(tmp_path)
    y, poor, good = two_classes()
    middle = np.where(np.arange(200)[:, None] < 150, good, poor)
    for name, P in (("knn", poor), ("svm", good), ("lda", middle)):
        keep(store, name, {"val": (rows_of(y), P)})
    return SourceResults(store)


def test_a_better_model_is_said_to_be_better(tmp_path: Path) -> None:
    y, poor, good = two_classes()
    compared = compare(make_results(tmp_path), ["knn", "svm"], METRICS["accuracy"])
    (pair,) = compared.pairs
    right = (poor.argmax(axis=1) == y), (good.argmax(axis=1) == y)
    assert pair.difference == pytest.approx(right[1].mean() - right[0].mean())
    assert (pair.only_a, pair.only_b) == (0, int((right[1] & ~right[0]).sum()))
    assert pair.interval[0] < pair.difference < pair.interval[1]
    assert pair.test == "McNemar's exact test" and pair.p_value < 1e-6
    sentence = in_words(pair, METRICS["accuracy"])
    assert sentence.startswith("svm is better than knn by ") and "points" in sentence
    no_sign = replace(pair, difference=-0.02, interval=(-0.06, 0.0))
    assert "by 2.0 points, 0.0 to 6.0;" in in_words(no_sign, METRICS["accuracy"])
    assert len(compared.disagreements()) == pair.only_b
    assert compared.disagreements()[0].keys() == {"sample", "class", "knn", "svm"}


def test_the_area_of_two_classes_is_tested_by_delong(tmp_path: Path) -> None:
    y, poor, good = two_classes()
    compared = compare(make_results(tmp_path), ["svm", "knn"], METRICS["auc"])
    (pair,) = compared.pairs
    assert pair.test == "DeLong's test"
    gap = roc_auc_score(y, poor[:, 1]) - roc_auc_score(y, good[:, 1])
    assert pair.difference == pytest.approx(gap, abs=1e-6)
    assert in_words(pair, METRICS["auc"]).startswith("svm is better than knn")


def test_a_lower_loss_is_better(tmp_path: Path) -> None:
    compared = compare(make_results(tmp_path), ["knn", "svm"], METRICS["log_loss"])
    (pair,) = compared.pairs
    assert pair.difference < 0 and pair.test == "paired bootstrap"
    sentence = in_words(pair, METRICS["log_loss"])
    assert sentence.startswith("svm is better than knn by 0.") and "points" not in sentence


def test_three_models_are_corrected_by_holm(tmp_path: Path) -> None:
    compared = compare(make_results(tmp_path), ["knn", "svm", "lda"], METRICS["accuracy"])
    assert [(p.a, p.b) for p in compared.pairs] == [("knn", "svm"), ("knn", "lda"), ("svm", "lda")]
    assert all(p.adjusted >= p.p_value for p in compared.pairs)
    assert max(p.adjusted / p.p_value for p in compared.pairs) == pytest.approx(3)
    assert in_words(compared.pairs[0], METRICS["accuracy"], 3).endswith("for 3 pairs.")


def test_other_rows_are_refused(tmp_path: Path) -> None:
    source = make_results(tmp_path)
    y, poor, _ = two_classes()
    keep(source.store, "ridge", {"val": (rows_of(y[:90]), poor[:90])})
    keep(source.store, "dense", {"val": (rows_of(y, ("cat", "fox")), poor)})
    source = SourceResults(source.store)
    with pytest.raises(ConfigError, match="200 val rows and ridge on 90, of which they share 90"):
        compare(source, ["knn", "ridge"], METRICS["accuracy"])
    with pytest.raises(ConfigError, match="other classes"):
        compare(source, ["knn", "dense"], METRICS["accuracy"])


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    source = make_results(tmp_path)
    for words in (["knn"], ["knn", "knn"]):
        with pytest.raises(ConfigError, match="two different models or more"):
            compare(source, words, METRICS["accuracy"])
    with pytest.raises(ConfigError, match="Did you mean"):
        compare(source, ["knn", "swm"], METRICS["accuracy"])
    with pytest.raises(ConfigError, match="no predictions of the split test, but of val"):
        compare(source, ["knn", "svm"], METRICS["accuracy"], "test")


def test_an_empty_cache_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no results to compare: run `featx sweep`"):
        compare(SourceResults(FeatureStore(tmp_path)), ["knn", "svm"], METRICS["accuracy"])


def test_models_are_called_as_the_user_calls_them(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    y, poor, good = two_classes()
    for number, (name, P) in enumerate((("old", poor), ("new", good), ("new", good))):
        fields = {"id": f"ridge-{number}000000", "tag": {"name": name}}
        keep(store, "ridge", {"val": (rows_of(y), P)}, **fields)
    source, accuracy = SourceResults(store), METRICS["accuracy"]
    labels = [m.label for m in compare(source, ["old", "new"], accuracy).models]
    assert labels == ["old", "new"]
    both = compare(source, ["ridge-1000000", "ridge-2000000"], accuracy)
    assert [m.label for m in both.models] == ["ridge-1000000", "ridge-2000000"]
    with pytest.raises(ConfigError, match="new, old"):
        source.find("nobody", "val", accuracy)


def test_chances_are_said_as_people_say_them() -> None:
    assert chance(0.0025) == "a chance of 1 in 400"
    assert chance(0.5) == "a chance of 50 in 100"
    assert chance(1e-9) == "a chance below 1 in a million"
