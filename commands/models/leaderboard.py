"""The leaderboard of a sweep: drawn, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cache import Scores
from ...cache.format.atomic import write_text
from ...classifiers.comparison.feature_labels import feature_labels
from ...classifiers.selection.feature_sweep import Candidate
from ...classifiers.selection.grid import params_text
from ...classifiers.selection.metrics import DEFAULT_METRIC, METRICS, Metric
from ...classifiers.selection.sweep import SweepReport
from ..common import (
    draw_table,
    human_bytes,
    metric_cell,
    metric_cells,
    prepared_data,
    table_metrics,
)
from ..measures import rarest_cell, rarest_header
from ..view_options import draw_views

if TYPE_CHECKING:
    from rich.console import Console

NOT_CONVERGED = "*"
SHOWN_FAILURES = 5
CSV_KEYS = ("features", "head", "parameters")
CSV_RAREST = ("rarest_class", "rarest_rows", "rarest_recall")
CSV_SPEEDS = ("fit_seconds", "model_bytes", "rows_per_second")


def leaderboard_data(report: SweepReport, out: Path) -> dict[str, Any]:
    """Return all that a sweep found, as JSON types."""
    best = report.candidates[0]
    return {
        "model": str(out),
        "metric": report.metric.name,
        "higher_is_better": report.metric.higher_is_better,
        "cv": report.options.cv,
        "left_out": list(report.left_out),
        "not_fitted": [asdict(failure) for failure in report.failures],
        "leaderboard": [_candidate_data(c) for c in report.candidates],
        "baseline": report.baseline.to_dict(),
        "winner": {
            "head": report.winner.head_name,
            "params": best.params,
            "features": best.features,
        },
        "test": report.test.to_dict() if report.test else None,
        "split": dict(report.winner.split),
        "views": dict(report.winner.origin.get("views", {})),
        "seconds": report.seconds,
        **prepared_data(report.prepared),
        "notes": list(report.notes),
    }


def _candidate_data(candidate: Candidate) -> dict[str, Any]:
    data = {**asdict(candidate), "measured": candidate.measured.to_dict()}
    data["measured"]["scores"] = candidate.scores.to_dict()
    del data["spec"]
    return data


def draw_leaderboard(console: Console, report: SweepReport, out: Path) -> None:
    """Draw the leaderboard, and say what is odd about it and how the winner does on test."""
    specs = {c.features: c.spec for c in report.candidates}
    labels = feature_labels(specs) if len(specs) > 1 else {}
    ranked = [] if report.metric.name == DEFAULT_METRIC else [report.metric]
    headers = ("", "head", "parameters", *(["features"] if labels else []), "accuracy")
    rarest = rarest_header(c.scores for c in report.candidates)
    headers += (*(metric.name for metric in ranked), rarest, "fit s", "size", "rows/s")
    rows = [
        (
            str(position),
            c.scores.head + ("" if not c.measured.convergence_note else NOT_CONVERGED),
            params_text(c.params),
            *([labels[c.features]] if labels else []),
            *_metric_columns(c.scores, ranked),
            rarest_cell(c.scores),
            f"{c.scores.fit_seconds:.2f}",
            human_bytes(c.measured.model_bytes),
            f"{c.measured.predict_rate:,.0f}",
        )
        for position, c in enumerate(report.candidates, 1)
    ]
    always = f"always {report.baseline.params['class']!r}"
    baseline = ("", "baseline", always, *([""] if labels else []))
    rows.append((*baseline, *_metric_columns(report.baseline, ranked)))
    rows[-1] = (*rows[-1], rarest_cell(report.baseline), "", "", "")
    cut = ("parameters", *(["features"] if labels else []), *(m.name for m in ranked))
    draw_table(console, headers, rows, optional=("rows/s", "size", "fit s"), cut=cut)
    for line in (*_footnotes(report), _summary(report)):
        console.print(line)
    draw_views(console, report.winner.origin.get("views", {}))
    if report.test:
        metrics = table_metrics(report.metric)
        cells = zip(metrics, metric_cells(report.test, metrics), strict=True)
        shown = ", ".join(f"{metric.title} {cell}" for metric, cell in cells)
        console.print(f"The winner on test: {shown}")
    console.print(f"Model: {out}. Next: featx score {out} photos/ --out predictions.parquet")


def _metric_columns(scores: Scores, ranked: Sequence[Metric]) -> list[str]:
    return [
        metric_cell(scores, name, " ±{:.3f}") for name in ("accuracy", *(m.name for m in ranked))
    ]


def _footnotes(report: SweepReport) -> Iterator[str]:
    from ...classifiers.selection.metrics import cautions

    first = next((c for c in report.candidates if c.measured.convergence_note), None)
    if first:
        yield f"{NOT_CONVERGED} {first.scores.head} {first.measured.convergence_note}"
    for failure in report.failures[:SHOWN_FAILURES]:
        yield f"Not fitted: {failure.configuration}: {failure.reason}"
    more = len(report.failures) - SHOWN_FAILURES
    if more > 0:
        yield f"Not fitted either: {more} more configurations (--json lists all)"
    measured = filter(None, (report.candidates[0].scores, report.test))
    yield from cautions(measured, report.baseline, report.metric, "The winner")


def _summary(report: SweepReport) -> str:
    n_stored = sum(candidate.is_stored for candidate in report.candidates)
    cv = report.options.cv
    judged = f"over {cv} folds" if cv else "on validation"
    stored = f", {n_stored} of them measured before" if n_stored else ""
    sets = {candidate.features for candidate in report.candidates}
    where = "several feature sets" if len(sets) > 1 else next(iter(sets))
    return (
        f"{len(report.candidates)} configurations on {where} in {report.seconds:.1f} s{stored}; "
        f"ranked by {report.metric.name} {judged}, ± is half the 95 % interval"
    )


def is_leaderboard(path: Path) -> bool:
    """Say whether a file was written by ``write_csv``."""
    header = ",".join(CSV_KEYS).encode("ascii")
    with path.open("rb") as file:
        return file.read(len(header)) == header


def _rarest_values(scores: Scores) -> tuple[Any, ...]:
    rarest = scores.rarest
    if rarest is None:
        return ("", "", "")
    return rarest.name, rarest.rows, "" if rarest.recall is None else rarest.recall


def write_csv(path: Path, report: SweepReport) -> None:
    """Write the leaderboard as CSV, a row for each configuration."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    first = [metric.name for metric in table_metrics()]
    more = [name for name in METRICS if name not in first]
    more += [] if report.metric.name in METRICS else [report.metric.name]
    writer.writerow((*CSV_KEYS, *first, "low", "high", *CSV_SPEEDS, *more, *CSV_RAREST))
    for c in report.candidates:
        values = c.scores.metrics
        writer.writerow(
            (
                *(c.features, c.scores.head, params_text(c.params)),
                *(values.get(name, "") for name in first),
                *c.scores.intervals.get(DEFAULT_METRIC, ("", "")),
                *(c.scores.fit_seconds, c.measured.model_bytes, c.measured.predict_rate),
                *(values.get(name, "") for name in more),
                *_rarest_values(c.scores),
            )
        )
    write_text(path, text.getvalue())
