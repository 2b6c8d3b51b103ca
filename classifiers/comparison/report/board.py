"""The leaderboard of the page: all models, the baseline below them, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...selection.metrics import METRICS, Metric, find_metric
from ..visible import visible
from .charts.chart import Chart, Series, log_axis, padded_axis, share_axis
from .lists.findings import WORDS
from .study import Study, StudyModel

INTERVAL_PIXELS = 110
RAREST = ("rarest_class", "rarest_recall", "rarest_rows")
COSTS = ("fit s", "size", "rows/s")


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
    columns.append(_column(_rarest_title(study, splits[0]), True))
    n_measured = len(columns)
    columns += [_column(text, True) for text in COSTS] + [_column("id")]
    scale = _interval_scale(study, metric, splits)
    rows = [_board_cells(entry, metric, splits, shown, scale) for entry in study.entries]
    least: list[dict[str, Any]] = []
    if study.baseline:
        least = _board_cells(study.baseline, metric, splits, shown, scale)[:n_measured]
    judged = WORDS.get(study.ranked_on, study.ranked_on)
    lead = (
        f"All {len(study.entries):,} models that were measured on this source, ranked by "
        f"{metric.title} on {judged} images. The bars are 95 % intervals."
    )
    return {
        "lead": lead,
        "columns": columns,
        "rows": rows,
        "baseline": [*least, *[_text("")] * (len(columns) - n_measured)] if least else [],
        "charts": _cost_charts(study, metric),
    }


def _rarest_title(study: Study, split: str) -> str:
    rarest = [e.scores[split].rarest for e in study.entries if split in e.scores]
    name = next((one.name for one in rarest if one), "the rarest class")
    return visible(f"recall {name}, {WORDS.get(split, split)}")


def board_csv(study: Study) -> list[tuple[Any, ...]]:
    """Return the leaderboard with all metrics, a row for each entry and split."""
    header = ("id", "head", "parameters", "features", "split", *METRICS, *RAREST, "fit_seconds")
    rows: list[tuple[Any, ...]] = [header]
    for entry in (*study.entries, *filter(None, [study.baseline])):
        for split, scores in entry.scores.items():
            values = [scores.metrics.get(name, "") for name in METRICS]
            texts = map(visible, (entry.id, entry.head, entry.setup, entry.features))
            rarest = scores.rarest
            of_rarest = (rarest.name, rarest.recall, rarest.rows) if rarest else ("", "", "")
            rows.append((*texts, split, *values, *of_rarest, entry.fit_seconds))
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
    cells = [_text(entry.head), _text(entry.setup or "defaults", "wide"), _text(entry.backbone)]
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
    scores = entry.scores.get(splits[0])
    rarest = scores.rarest if scores else None
    cells.append(_number(rarest.recall, rarest.describe()) if rarest else _number(None, "–"))
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
    y = share_axis(metric.title, values) if metric.in_percent else padded_axis(metric.title, values)
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
