"""Fitting one head: what is measured, and what is said before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from selection_shared import make_features, three_classes

from featx.cache.errors import TrainingDataError
from featx.classifiers.heads.registry import HEADS
from featx.classifiers.selection.fit import HeadOptions, fit


class Listener:
    def __init__(self) -> None:
        self.said: list[str] = []

    def begin(self, n_images: int, task: str) -> None: ...

    def advance(self, n_images: int) -> None: ...

    def say(self, text: str) -> None:
        self.said.append(text)


def test_a_head_is_measured_on_validation_and_test_beside_the_baseline(tmp_path: Path) -> None:
    report = fit(three_classes(tmp_path, 300), HeadOptions("ridge"))
    assert (
        [s.split for s in report.scores] == [s.split for s in report.baselines] == ["val", "test"]
    )
    for scores, baseline in zip(report.scores, report.baselines, strict=True):
        assert scores.metrics["accuracy"] > baseline.metrics["accuracy"] < 0.5
        assert baseline.metrics["auc"] == 0.5


def test_what_is_odd_is_said_before_training(tmp_path: Path) -> None:
    features = make_features(tmp_path, [0] * 20)
    listener = Listener()
    with pytest.raises(TrainingDataError, match="only one class"):
        fit(features, HeadOptions("ridge"), observer=listener)
    assert any("test rows: what is measured there is a guess" in text for text in listener.said)


def test_a_class_without_training_images_is_scored_as_never_predicted(tmp_path: Path) -> None:
    labels = [0, 1] * 60 + [2] * 20 + [0, 1] * 10
    features = make_features(tmp_path, labels, [0] * 120 + [2] * 40, noise=0.1)
    report = fit(features, HeadOptions("ridge"))
    assert report.scores[-1].metrics["accuracy"] == 0.5
    assert report.model.predict_proba(np.asarray(features.X))[:, 2].max() == 0


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("labels", [[0, 1], [0, 0, 1, 1], [0, 0, 0, 1, 2]])
def test_every_head_learns_from_a_few_images(tmp_path: Path, head: str, labels: list[int]) -> None:
    report = fit(make_features(tmp_path, labels), HeadOptions(head))
    assert all(0 <= s.metrics["accuracy"] <= 1 for s in report.scores)


def test_near_duplicates_are_left_out_of_training(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(300, 32))
    X[290:] = X[:10] + 0.01
    given = [0] * 180 + [1] * 60 + [2] * 60
    features = make_features(tmp_path, np.arange(300) % 3, given, X=X)
    report = fit(features, HeadOptions("ridge", drop_near_duplicates=True))
    assert report.model.split["train"] == 170 and len(report.prepared.near_duplicates.pairs) == 10
