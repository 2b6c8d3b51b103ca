"""Curves, against scikit-learn and worked examples."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from featx.classifiers.comparison.report.charts.performance import (
    MAX_CLASSES,
    Judged,
    calibration_chart,
    class_charts,
    coverage_chart,
    coverage_table,
)


def judged(n_classes: int, n: int = 400, title: str = "a") -> Judged:
    rng = np.random.default_rng(n_classes)
    y = rng.integers(0, n_classes, n)
    logits = rng.normal(size=(n, n_classes)) + 1.5 * np.eye(n_classes)[y]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Judged(title, 0, y, probabilities)


def test_two_classes_have_the_textbook_curve() -> None:
    model = judged(2)
    (only,) = class_charts([model], ["no", "yes"])
    false, true, _ = roc_curve(model.y, model.probabilities[:, 1])
    assert np.array_equal(only.roc.series[0].x, false)
    assert np.array_equal(only.roc.series[0].y, true)
    area = roc_auc_score(model.y, model.probabilities[:, 1])
    assert only.roc.series[0].note == f"AUC {area:.4f}" and "yes against no" in only.name


def test_the_mean_curve_has_the_mean_area() -> None:
    model = judged(4)
    mean, *single = class_charts([model, judged(4, title="b")], list("abcd"))
    area = roc_auc_score(model.y, model.probabilities, multi_class="ovr")
    assert mean.roc.series[0].note == f"AUC {area:.4f}"
    drawn = np.trapezoid(mean.roc.series[0].y, mean.roc.series[0].x)
    assert drawn == pytest.approx(area, abs=0.005)
    average = average_precision_score(np.eye(4)[model.y], model.probabilities)
    assert mean.precision_recall.series[0].note == f"average precision {average:.4f}"
    assert [one.name for one in single] == list("abcd")
    assert [series.name for series in mean.roc.series] == ["a", "b"]


def test_classes_without_rows_have_no_curve() -> None:
    model = judged(3)
    absent = Judged("a", 0, model.y, np.pad(model.probabilities, ((0, 0), (0, 1))))
    assert len(class_charts([absent], list("abcd"))) == 4
    alone = Judged("a", 0, np.zeros(9, np.int64), model.probabilities[:9])
    assert class_charts([alone], list("abc")) == []


def test_of_many_classes_the_worst_are_drawn() -> None:
    model = judged(MAX_CLASSES + 5, 2000)
    mean, *single = class_charts([model], [str(i) for i in range(MAX_CLASSES + 5)])
    assert len(single) == MAX_CLASSES and f"{MAX_CLASSES + 5} classes" in mean.name
    areas = [roc_auc_score(model.y == i, model.probabilities[:, i]) for i in range(MAX_CLASSES + 5)]
    best = np.argsort(areas)[-1]
    assert str(best) not in [one.name for one in single]


def test_calibration_counts_right_answers() -> None:
    probabilities = np.array([[0.95, 0.05]] * 4 + [[0.55, 0.45]] * 2)
    model = Judged("a", 0, np.array([0, 0, 0, 1, 0, 1]), probabilities)
    (series,) = calibration_chart([model]).series
    assert series.x.tolist() == pytest.approx([0.55, 0.95])
    assert series.y.tolist() == pytest.approx([0.5, 0.75])
    assert series.low is not None and (series.low < series.y).all()  # the winner has a band
    assert "error 0.150" in series.note  # (4 · 0.2 + 2 · 0.05) / 6


def test_coverage_leaves_out_the_least_sure_first() -> None:
    n = 100
    sure = np.linspace(0.99, 0.51, n)
    y = (np.arange(n) >= 60).astype(np.int64)  # the 60 surest answers are right
    model = Judged("a", 0, y, np.column_stack([sure, 1 - sure]))
    (series,) = coverage_chart([model]).series
    assert series.x[-1] == 1 and series.y[-1] == pytest.approx(0.6)
    assert series.y[series.x <= 0.6].min() == 1
    ((_, share, accuracy),) = coverage_table(model, [float(sure[29])])
    assert (share, accuracy) == (0.3, 1.0)
