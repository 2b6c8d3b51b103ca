"""The sections of the page: plain values for the templates, from a study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...selection.metrics import confusion
from ..visible import visible
from .charts.chart import Axis, Chart, Series, padded_axis, share_axis
from .charts.performance import (
    ClassCharts,
    calibration_chart,
    class_charts,
    coverage_chart,
    coverage_table,
)
from .lists.findings import WORDS
from .study import Answers, Study

MAX_MATRIX = 30
"""Classes that a confusion matrix shows; of more, those with most confusions."""
MAX_PAIRS = 25
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
SHADE = 75
"""Strongest mixture of a cell's colour, in percent: text on it stays readable."""


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
            y = share_axis(key, values) if key == "accuracy" else padded_axis(key, values)
            x = Axis("epoch", 1, max(2, epochs))
            charts.append(Chart(f"{answers.title}: {key}", x, y, series))
    return charts
