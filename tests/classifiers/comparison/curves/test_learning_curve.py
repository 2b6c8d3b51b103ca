"""Learning curves of heads on made-up features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from selection_shared import make_features, three_classes

from featx.cache import FeatureStore, ResultStore
from featx.cache.errors import ConfigError, TrainingDataError, UnknownHeadError
from featx.classifiers.comparison.curves.learning_curve import (
    CurveOptions,
    Subject,
    choose_subjects,
    curve_sizes,
    learning_curves,
)
from featx.classifiers.selection.fit import HeadOptions, fit
from featx.classifiers.selection.grid import Family
from featx.classifiers.selection.metrics import METRICS
from featx.classifiers.selection.sweep import sweep
from featx.classifiers.selection.sweep_options import SweepOptions


def test_sizes_double_up_to_all() -> None:
    assert curve_sizes(1600, 10) == [10, 20, 40, 80, 160, 320, 640, 1600]
    assert curve_sizes(12, 3) == [12]
    assert curve_sizes(100, 20) == [20, 40, 100]


def test_a_curve_rises_to_what_a_fit_measures(tmp_path: Path) -> None:
    features = three_classes(tmp_path, 300, noise=3.0)
    subject = Subject("ridge", {"alpha": 10.0})
    (curve,) = learning_curves(features, [subject], CurveOptions(n_draws=3))
    values = [point.mean for point in curve.points]
    assert values[-1] > values[0] + 0.1
    assert [len(point.values) for point in curve.points] == [3] * (len(values) - 1) + [1]
    fitted = fit(features, HeadOptions("ridge", {"alpha": 10.0}))
    assert values[-1] == pytest.approx(fitted.scores[0].metrics["accuracy"], abs=1e-6)
    (again,) = learning_curves(features, [subject], CurveOptions(n_draws=3))
    assert again == curve


@pytest.mark.parametrize("head", ["lda", "svm"])
def test_heads_are_fitted_as_fit_does(tmp_path: Path, head: str) -> None:
    y, groups = np.arange(240) % 3, [f"g{i // 6}" for i in range(240)]
    features = make_features(tmp_path, y, groups=groups, noise=3.0)
    features = features.relabelled(weights=np.linspace(0.2, 2.0, 240))
    params = {"class_weight": {"b": 4.0, "c": 0.5}}
    (curve,) = learning_curves(features, [Subject(head, params)], CurveOptions(n_draws=1))
    fitted = fit(features, HeadOptions(head, params))
    assert curve.points[-1].mean == pytest.approx(fitted.scores[0].metrics["accuracy"], abs=1e-6)
    options = CurveOptions(METRICS["log_loss"], n_draws=1)
    (losses,) = learning_curves(features, [Subject(head, params)], options)
    assert losses.points[-1].mean == pytest.approx(fitted.scores[0].metrics["log_loss"], abs=1e-5)


def test_a_metric_whose_lower_values_are_better(tmp_path: Path) -> None:
    features = three_classes(tmp_path, 300, noise=3.0)
    options = CurveOptions(METRICS["log_loss"], n_draws=2)
    (curve,) = learning_curves(features, [Subject("ridge", {})], options)
    assert curve.points[-1].mean < curve.points[0].mean
    assert curve.forecast.gain > 0


def test_heads_have_the_best_parameters_so_far(tmp_path: Path) -> None:
    store, features = FeatureStore(tmp_path), three_classes(tmp_path, 300, noise=3.0)
    assert choose_subjects([], features, []) == [Subject("logreg", {})]
    grid = Family("ridge", ({"alpha": 1e-3}, {"alpha": 1e3}))
    report = sweep([features], SweepOptions((grid,)), store)
    results = ResultStore(store.layout).read()
    (subject,) = choose_subjects([], features, results)
    assert subject.head == "ridge"
    assert subject.params["alpha"] == report.candidates[0].params["alpha"]
    assert choose_subjects(["lda"], features, results) == [Subject("lda", {})]
    with pytest.raises(UnknownHeadError, match="Did you mean"):
        choose_subjects(["rigde"], features, results)


def test_what_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    single = make_features(tmp_path / "a", [0, 1])
    with pytest.raises(TrainingDataError, match="there are none: add images"):
        learning_curves(single, [Subject("ridge", {})], CurveOptions())
    lacking = make_features(tmp_path / "b", np.arange(60) % 2, [0] * 40 + [1, 2] * 10)
    with pytest.raises(TrainingDataError, match="AUC is undefined on validation: no row of 'b'"):
        learning_curves(lacking, [Subject("ridge", {})], CurveOptions(METRICS["auc"]))
    with pytest.raises(ConfigError, match="--draws"):
        CurveOptions(n_draws=0)
