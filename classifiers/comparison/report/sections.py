"""The sections of the page: plain values for the templates, from a study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...selection.metrics import METRICS, Metric, confusion, find_metric
from ..visible import visible
from .charts.chart import Axis, Chart, Series, log_axis, share_axis
from .charts.performance import (
    ClassCharts,
    calibration_chart,
    class_charts,
    coverage_chart,
    coverage_table,
)
from .lists.findings import WORDS
from .study import Answers, Study, StudyModel

MAX_MATRIX = 30
"""Classes that a confusion matrix shows; of more, those with most confusions."""
MAX_PAIRS = 25
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
SHADE = 75
"""Strongest mixture of a cell's colour, in percent: text on it stays readable."""
INTERVAL_PIXELS = 110


def board_section(study: Study) -> dict[str, Any] | None:
    """Return the leaderboard and its charts; None where nothing was measured."""
    if not study.entries:
        return None
    metric = find_metric(study.metric)
    splits = [s for s in (study.ranked_on, "test") if any(s in e.scores for e in study.entries)]
    splits = list(dict.fromkeys(splits))
    shown = [m for m in METRICS.values() if m.in_tables and m.name != metric.name]
    columns = [_column(text) for text in ("head", "parameters", "backbone")]
    columns += [_column(f"{metric.title}, {WORDS.get(s, s)}", True) for s in splits]
    columns[3]["sorted"] = "descending" if metric.higher_is_better else "ascending"
    columns += [_column(f"{m.title}, {WORDS.get(splits[0], splits[0])}", True) for m in shown]
    columns += [_column(text, True) for text in ("fit s", "size", "rows/s")] + [_column("id")]
    scale = _interval_scale(study, metric, splits)
    rows = [
        {"won": i == 0, "cells": _board_cells(entry, metric, splits, shown, scale)}
        for i, entry in enumerate(study.entries)
    ]
    judged = WORDS.get(study.ranked_on, study.ranked_on)
    lead = (
        f"All {len(study.entries):,} models that were measured on this source, ranked by "
        f"{metric.title} on {judged} images. The bars are 95 % intervals."
    )
    return {"lead": lead, "columns": columns, "rows": rows, "charts": _cost_charts(study, metric)}


def board_csv(study: Study) -> list[tuple[Any, ...]]:
    """Return the leaderboard with all metrics, a row for each entry and split."""
    header = ("id", "head", "parameters", "features", "split", *METRICS, "fit_seconds")
    rows: list[tuple[Any, ...]] = [header]
    for entry in study.entries:
        for split, scores in entry.scores.items():
            values = [scores.metrics.get(name, "") for name in METRICS]
            texts = map(visible, (entry.id, entry.head, entry.params, entry.features))
            rows.append((*texts, split, *values, entry.fit_seconds))
    return rows


def _column(title: str, numeric: bool = False) -> dict[str, Any]:
    return {"title": title, "numeric": numeric, "sorted": ""}


def _board_cells(
    entry: StudyModel,
    metric: Metric,
    splits: Sequence[str],
    shown: Sequence[Metric],
    scale: tuple[float, float],
) -> list[dict[str, Any]]:
    cells = [_text(entry.head), _text(entry.params or "defaults", "wide"), _text(entry.backbone)]
    for split in splits:
        value, scores = entry.value(metric.name, split), entry.scores.get(split)
        interval = scores.intervals.get(metric.name) if scores else None
        cells.append(_number(value, f"{value:.4f}" if value is not None else "–"))
        if interval and value is not None:
            cells[-1]["interval"] = [
                _bar_position(v, scale) for v in (interval[0], value, interval[1])
            ]
    for other in shown:
        value = entry.value(other.name, splits[0])
        cells.append(_number(value, "–" if value is None else f"{value:.4f}"))
    cells.append(_number(entry.fit_seconds, f"{entry.fit_seconds:.2f}"))
    cells.append(_number(entry.model_bytes, _size(entry.model_bytes)))
    cells.append(
        _number(
            entry.predict_rate or None, f"{entry.predict_rate:,.0f}" if entry.predict_rate else "–"
        )
    )
    return [*cells, _text(entry.id)]


def _text(text: str, kind: str = "") -> dict[str, Any]:
    text = visible(text)
    return {"text": text, "value": text.lower(), "kind": kind}


def _number(value: float | None, text: str) -> dict[str, Any]:
    return {"text": text, "value": "" if value is None else repr(float(value)), "kind": "n"}


def _size(n_bytes: float) -> str:
    for unit in ("B", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} GB"


def _interval_scale(study: Study, metric: Metric, splits: Sequence[str]) -> tuple[float, float]:
    ends = [
        end
        for entry in study.entries
        for split in splits
        if (scores := entry.scores.get(split)) is not None
        for end in scores.intervals.get(metric.name, ())
    ]
    return (min(ends), max(ends)) if ends else (0.0, 1.0)


def _bar_position(value: float, scale: tuple[float, float]) -> float:
    share = (value - scale[0]) / ((scale[1] - scale[0]) or 1)
    return round(4 + share * (INTERVAL_PIXELS - 8), 1)


def _cost_charts(study: Study, metric: Metric) -> list[Chart]:
    """Return the metric against seconds and against size, a point for each entry."""
    split = study.ranked_on
    measured = [e for e in study.entries if e.value(metric.name, split) is not None]
    values = [float(e.value(metric.name, split) or 0.0) for e in measured]
    costs = (
        ("seconds to fit", [max(e.fit_seconds, 1e-3) for e in measured]),
        ("bytes of the model", [float(max(e.model_bytes, 1)) for e in measured]),
    )
    heads = list(dict.fromkeys(e.head for e in measured))
    y = share_axis(metric.title, values) if metric.in_percent else _axis(metric.title, values)
    charts = []
    for title, cost in costs:
        series = []
        for style, head in enumerate(heads):
            rows = [i for i, e in enumerate(measured) if e.head == head]
            names = [visible(f"{head} {measured[i].params} {measured[i].backbone}") for i in rows]
            x, values_of = np.array([cost[i] for i in rows]), np.array([values[i] for i in rows])
            series.append(
                Series(visible(head), x, values_of, style=style, is_line=False, names=names)
            )
        name = title.partition(" of ")[0] if "bytes" not in title else "size"
        charts.append(Chart(f"{metric.title} and {name}", log_axis(title, cost), y, series))
    return charts if measured else []


def _axis(title: str, values: Sequence[float]) -> Axis:
    room = (max(values, default=1.0) - min(values, default=0.0)) * 0.1 or 0.1
    return Axis(title, min(values, default=0.0) - room, max(values, default=1.0) + room)


def curve_section(study: Study) -> dict[str, Any] | None:
    """Return ROC and precision–recall; None where no model has judged rows of two classes."""
    if not study.answers:
        return None
    names = [visible(name) for name in study.features.class_names]
    classes: list[ClassCharts] = class_charts([a.judged() for a in study.answers], names)
    if not classes:
        return None
    n_rows, split = len(study.answers[0].y), WORDS.get(study.judged_on, study.judged_on)
    lead = f"{_models(study)} on the same {n_rows:,} {split} images."
    if len(classes) > 1:
        lead += " Each class against the rest, or the mean over classes."
    return {"lead": lead, "classes": classes}


def _models(study: Study) -> str:
    n = len(study.answers)
    return "The winner" if n == 1 else f"The best {n} of different heads or backbones"


def confusion_section(study: Study) -> dict[str, Any] | None:
    """Return a confusion matrix of each drawn model."""
    if not study.answers:
        return None
    split = WORDS.get(study.judged_on, study.judged_on)
    lead = (
        f"Counts of {split} images. Choose a cell to see its images: of mistakes the surest, of "
        "right answers the least sure first."
    )
    return {"lead": lead, "models": [_matrix(study, answers) for answers in study.answers]}


def _matrix(study: Study, answers: Answers) -> dict[str, Any]:
    names = [visible(name) for name in study.features.class_names]
    counts = confusion(answers.y, answers.probabilities)
    shown, note = _shown_classes(counts), ""
    if -1 in shown:
        n_shown = len(shown) - 1
        note = f"Of {len(names):,} classes the {n_shown} with most confusions; the rest is others."
    rows = [
        {
            "name": names[truth] if truth >= 0 else "others",
            "cells": [_cell(counts, names, shown, truth, said) for said in shown],
        }
        for truth in shown
    ]
    return {
        "title": answers.title,
        "names": [names[label] if label >= 0 else "others" for label in shown],
        "shown": [label for label in shown if label >= 0],
        "rows": rows,
        "note": note,
        "pairs": _pairs(counts, names),
    }


def _shown_classes(counts: Any) -> list[int]:
    """Return the classes of a matrix; of many those with most confusions, and -1 for all others."""
    if len(counts) <= MAX_MATRIX:
        return list(range(len(counts)))
    wrong = counts - np.diag(np.diag(counts))
    most = np.argsort(-(wrong.sum(axis=0) + wrong.sum(axis=1)), kind="stable")
    return [*np.sort(most[: MAX_MATRIX - 1]).tolist(), -1]


def _cell(
    counts: Any, names: Sequence[str], shown: Sequence[int], truth: int, said: int
) -> dict[str, Any]:
    others = np.setdiff1d(np.arange(len(counts)), shown)
    rows, columns = (np.array([k]) if k >= 0 else others for k in (truth, said))
    count = int(counts[np.ix_(rows, columns)].sum())
    total = int(counts[rows].sum()) or 1
    true_name, said_name = (names[label] if label >= 0 else "others" for label in (truth, said))
    is_right = truth == said and truth >= 0
    what = "rightly" if is_right else f"as {said_name}"
    images = "image" if count == 1 else "images"
    share = count / total
    return {
        "count": count,
        "true": truth,
        "predicted": said,
        "is_right": is_right,
        "shade": round(6 + (SHADE - 6) * (share if is_right else min(1.0, share * 2))),
        "label": f"{count:,} {images} of {true_name} predicted {what}",
    }


def _pairs(counts: Any, names: Sequence[str]) -> list[dict[str, Any]]:
    wrong = counts - np.diag(np.diag(counts))
    totals = counts.sum(axis=1)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MAX_PAIRS]
    pairs = [divmod(int(i), len(counts)) for i in order]
    return [
        {
            "true": names[truth],
            "predicted": names[said],
            "count": f"{wrong[truth, said]:,}",
            "share": f"{wrong[truth, said] / totals[truth]:.1%}",
        }
        for truth, said in pairs
        if wrong[truth, said]
    ]


def calibration_section(study: Study) -> dict[str, Any] | None:
    """Return calibration, coverage, and a table of thresholds for the winner."""
    winner = study.winner
    if winner is None:
        return None
    models = [answers.judged() for answers in study.answers]
    thresholds = [
        (f"{threshold:g}", f"{share:.1%}", f"{accuracy:.1%}" if share else "–")
        for threshold, share, accuracy in coverage_table(models[0], THRESHOLDS)
    ]
    return {
        "lead": "Can the probabilities be taken at their word, and what is gained by leaving out "
        "unsure answers?",
        "chart": calibration_chart(models),
        "coverage": coverage_chart(models),
        "thresholds": thresholds,
        "winner": winner.title,
    }


def epoch_charts(study: Study) -> list[Chart]:
    """Return loss and accuracy by epoch of drawn models that have such curves."""
    charts = []
    for answers in study.answers:
        history = answers.entry.history
        for key in ("loss", "accuracy"):
            lines = [
                (text, np.asarray(history[name], float))
                for text, name in (("training", key), ("validation", f"val_{key}"))
                if len(history.get(name, ()))
            ]
            if not lines:
                continue
            epochs = max(len(values) for _, values in lines)
            series = [
                Series(text, np.arange(1.0, len(values) + 1), values, style=style)
                for style, (text, values) in enumerate(lines)
            ]
            values = [float(v) for _, line in lines for v in line]
            y = share_axis(key, values) if key == "accuracy" else _axis(key, values)
            x = Axis("epoch", 1, max(2, epochs))
            charts.append(Chart(f"{answers.title}: {key}", x, y, series))
    return charts
