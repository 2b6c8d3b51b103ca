"""ROC, precision and recall, calibration and coverage of models that judged the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....selection.metrics import (
    METRICS,
    Interval,
    WeightedRows,
    bootstrap_draws,
    bootstrap_interval,
    wilson_interval,
)
from .chart import Axis, Chart, Series, share_axis

N_BINS = 10
GRID = np.linspace(0, 1, 201)
MAX_CLASSES = 20
"""Classes that have a chart of their own; of more, those with the smallest area."""
N_DRAWS = 300


@dataclass(frozen=True)
class Judged:
    """The answers of one model to the rows of one split.

    Attributes
    ----------
    title : str
    style : int
    y : ndarray of int64, shape (n,)
    probabilities : ndarray of float, shape (n, n_classes)
    """

    title: str
    style: int
    y: NDArray[np.int64]
    probabilities: NDArray[Any]

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether the most probable class is the true one."""
        right: NDArray[np.bool_] = self.probabilities.argmax(axis=1) == self.y
        return right


@dataclass(frozen=True)
class ClassCharts:
    """ROC and precision–recall of all models, for one class or for their mean.

    Attributes
    ----------
    name : str
    roc, precision_recall : Chart
    """

    name: str
    roc: Chart
    precision_recall: Chart


def class_charts(models: Sequence[Judged], class_names: Sequence[str]) -> list[ClassCharts]:
    """Return the charts for the mean over classes, then for each class; of two classes one chart.

    Classes without a row, or with all rows, have no curve.
    """
    y = models[0].y
    counts = np.bincount(y, minlength=len(class_names))
    classes = np.flatnonzero((counts > 0) & (counts < len(y)))
    if not len(classes):
        return []
    if len(class_names) == 2:
        return [_charts(f"{class_names[1]} against {class_names[0]}", models, [1])]
    shown = classes.tolist()
    if len(classes) > MAX_CLASSES:
        areas = [_area(*_roc(models[0], label)) for label in shown]
        shown = np.sort(classes[np.argsort(areas, kind="stable")[:MAX_CLASSES]]).tolist()
    singles = [_charts(class_names[label], models, [label]) for label in shown]
    return [_charts(f"mean of {len(classes)} classes", models, classes.tolist()), *singles]


def _charts(name: str, models: Sequence[Judged], classes: Sequence[int]) -> ClassCharts:
    rocs, precisions = [], []
    for model in models:
        false, true = _mean([_roc(model, label) for label in classes])
        area = np.mean([_area(*_roc(model, label)) for label in classes])
        note = f"AUC {area:.4f}"
        rocs.append(Series(model.title, false, true, style=model.style, note=note))
        recall, precision, average = _mean_precision(model, classes)
        note = f"average precision {average:.4f}"
        precisions.append(Series(model.title, recall, precision, style=model.style, note=note))
    roc = Chart(
        f"ROC: {name}",
        Axis("false positives among the negatives", 0, 1, is_share=True),
        Axis("true positives found", 0, 1, is_share=True),
        rocs,
        diagonal="chance",
    )
    precision_recall = Chart(
        f"Precision and recall: {name}",
        Axis("recall: positives found", 0, 1, is_share=True),
        Axis("precision: right among the found", 0, 1, is_share=True),
        precisions,
    )
    return ClassCharts(name, roc, precision_recall)


Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


def _roc(model: Judged, label: int) -> Curve:
    from sklearn.metrics import roc_curve

    false, true, _ = roc_curve(model.y == label, model.probabilities[:, label])
    return false, true


def _area(false: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    return float(np.trapezoid(true, false))


def _mean(curves: Sequence[Curve]) -> Curve:
    if len(curves) == 1:
        return curves[0]
    true = np.mean([np.interp(GRID, false, true) for false, true in curves], axis=0)
    return np.concatenate([[0.0], GRID]), np.concatenate([[0.0], true])


def _mean_precision(
    model: Judged, classes: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    from sklearn.metrics import average_precision_score, precision_recall_curve

    curves, averages = [], []
    for label in classes:
        is_positive, scores = model.y == label, model.probabilities[:, label]
        precision, recall, _ = precision_recall_curve(is_positive, scores)
        curves.append((recall[::-1], precision[::-1]))
        averages.append(float(average_precision_score(is_positive, scores)))
    if len(curves) == 1:
        return *curves[0], averages[0]
    # Of equal recalls the best precision counts, as a step function has it.
    mean = np.mean([np.interp(GRID, recall, precision) for recall, precision in curves], axis=0)
    return GRID, mean, float(np.mean(averages))


def calibration_chart(models: Sequence[Judged]) -> Chart:
    """Return how often answers of a probability are right, in ten bins of equal width."""
    series = []
    for model in models:
        confidence, right = model.probabilities.max(axis=1), model.is_right
        bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
        used = [b for b in range(N_BINS) if (bins == b).any()]
        counts = np.array([(bins == b).sum() for b in used])
        x = np.array([confidence[bins == b].mean() for b in used])
        y = np.array([right[bins == b].mean() for b in used])
        bounds = [wilson_interval(float(v), int(n)) for v, n in zip(y, counts, strict=True)]
        low, high = (np.array(side) for side in zip(*bounds, strict=True))
        error, interval = calibration_error(model)
        between = f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
        note = f"error {error:.3f}{between}"
        # Several bands would hide each other: the first model, the winner, has one.
        band = (low, high) if model is models[0] else (None, None)
        style = model.style
        series.append(Series(model.title, x, y, band[0], band[1], style=style, note=note))
    return Chart(
        "Calibration",
        Axis("probability of the answer", 0, 1, is_share=True),
        Axis("answers that are right", 0, 1, is_share=True),
        series,
        diagonal="as often as promised",
        note="The band is the 95 % interval of the winner. Behind each name: the expected "
        "calibration error, with its 95 % interval by bootstrap.",
    )


def calibration_error(model: Judged) -> tuple[float, Interval | None]:
    """Return the expected calibration error and its 95 % interval, both of the registry."""
    record = METRICS["ece"]
    value = float(record.function(WeightedRows(model.y, model.probabilities))[0])
    draws = bootstrap_draws([record], model.y, model.probabilities, N_DRAWS)
    return value, bootstrap_interval(draws[record.name])


def coverage_chart(models: Sequence[Judged]) -> Chart:
    """Return the accuracy of the answers that ``--abstain-below`` leaves, by their share."""
    series = []
    for model in models:
        confidence = model.probabilities.max(axis=1)
        order = np.argsort(-confidence, kind="stable")
        right = np.cumsum(model.is_right[order])
        n = np.arange(1, len(order) + 1)
        # Equal probabilities are kept or left out together.
        last = np.append(np.diff(confidence[order]) != 0, True)
        # The first few rows say little; the curve begins where twenty answers are left.
        last &= n >= min(20, len(n))
        series.append(Series(model.title, (n / len(n))[last], (right / n)[last], style=model.style))
    values = [float(v) for one in series for v in one.y]
    return Chart(
        "Coverage",
        Axis("images that get an answer", 0, 1, is_share=True),
        share_axis("answers that are right", values),
        series,
        note="What --abstain-below buys: leave out the unsure images, and more of the rest is "
        "right.",
    )


def coverage_table(model: Judged, thresholds: Sequence[float]) -> list[tuple[float, float, float]]:
    """Return threshold, share of images with an answer, and accuracy of those answers."""
    confidence = model.probabilities.max(axis=1)
    rows = []
    for threshold in thresholds:
        kept = confidence >= threshold
        accuracy = float(model.is_right[kept].mean()) if kept.any() else float("nan")
        rows.append((threshold, float(kept.mean()), accuracy))
    return rows
