"""The rarest class, few rows, and the baseline that a model must beat."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from featx.cache import Scores
from featx.classifiers.selection.metrics import (
    METRICS,
    always,
    measure,
    metric_for,
)
from featx.classifiers.selection.metrics.baseline import baseline_note
from featx.classifiers.selection.metrics.rarest import few_rows_note


def scored(counts: tuple[int, ...], n_found: int, split: str = "val") -> Scores:
    """Scores of a model that finds some rows of the last class, and all others."""
    y = np.repeat(np.arange(len(counts)), counts)
    P = np.eye(len(counts))[y]
    missed = np.flatnonzero(y == len(counts) - 1)[n_found:]
    P[missed] = np.eye(len(counts))[0]
    names = ("Other", "Bag", "Shirt")[-len(counts) :] if len(counts) == 3 else ("Other", "Shirt")
    return Scores("knn", split, {}, len(y), **vars(measure(y, P, names)))


def test_the_rarest_class_is_counted_and_read_back() -> None:
    scores = scored((120, 6), 2)
    assert scores.rarest and vars(scores.rarest) == {
        "name": "Shirt",
        "rows": 6,
        "n_found": 2,
        "n_few": 1,
    }
    plain = scores.to_dict()
    assert plain["rarest"]["recall"] == pytest.approx(1 / 3)
    assert Scores.from_dict(plain) == scores
    del plain["rarest"]
    assert Scores.from_dict(plain).rarest is None


def test_numbers_on_few_rows_are_told() -> None:
    assert few_rows_note(scored((120, 20), 2)) == ""
    assert "'Shirt' has 6 of the 126 test rows:" in few_rows_note(scored((120, 6), 2, "test"))
    assert "'Shirt' has none of the validation rows" in few_rows_note(scored((120, 0), 0))
    assert "and 1 other class fewer than 20" in few_rows_note(scored((50, 9, 6), 2))
    assert "only 12 validation rows" in few_rows_note(scored((6, 6), 2))


def test_a_model_that_does_not_beat_the_baseline_is_told() -> None:
    scores = scored((120, 6), 0)
    y = np.repeat([0, 1], (120, 6))
    least = always(y, ("Other", "Shirt"), 0, "val")
    note = baseline_note(scores, least, METRICS["accuracy"], "The winner")
    assert "The winner is no better than always saying 'Other', by accuracy" in note
    better = scored((120, 6), 1)
    assert baseline_note(better, least, METRICS["accuracy"], "The winner") == ""
    undefined = replace(better, metrics={})
    assert "no better" in baseline_note(undefined, least, METRICS["accuracy"], "The winner")


@pytest.mark.parametrize(
    ("counts", "name"),
    [((30, 10), "accuracy"), ((31, 10), "balanced_accuracy"), ((9, 0), "accuracy")],
)
def test_the_default_metric_is_balanced_beyond_three_to_one(
    counts: tuple[int, int], name: str
) -> None:
    metric, why = metric_for("auto", np.repeat([0, 1], counts), ("Other", "Shirt"))
    assert metric.name == name
    assert bool(why) == (name != "accuracy")
    assert metric_for("accuracy", np.repeat([0, 1], (99, 1)), ("Other", "Shirt"))[1] == ""
