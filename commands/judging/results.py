"""featx results: one leaderboard of all that was measured on a source."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common import (
    DEFAULT_CACHE,
    UNDEFINED,
    CacheOption,
    JsonOption,
    answer,
    draw_table,
    human_bytes,
    metric_cell,
    say,
)
from ..measures import rarest_cell, rarest_header
from ..options import PATH_OR_NAME, WITH_FILE
from ..progress import Progress
from ..view_options import draw_views
from .bars import bars

if TYPE_CHECKING:
    from rich.console import Console

    from ...cache import FeatureStore, Scores
    from ...classifiers.comparison.detail import Detail
    from ...classifiers.comparison.leaderboard import Board, RankedResult
    from ...classifiers.selection.metrics import Metric

SOURCE_ARGUMENT_HELP = "A source, or features of it, by any of their names; default: the newest."
RAREST = {"class": "name", "rows": "rows", "recall": "recall"}
OPTIONAL = ("rows/s", "kind", "extract s", "MACs", "size", "bar", "params", "fit s", "id")
SHOWN_CLASSES = 12
HALF = " ±{:.3f}"


def results(
    source: Annotated[
        str | None, typer.Argument(help=SOURCE_ARGUMENT_HELP, show_default=False), PATH_OR_NAME
    ] = None,
    split: Annotated[str, typer.Option(help="Rows that judge: val or test.")] = "val",
    sort: Annotated[
        str,
        typer.Option(
            "--sort",
            "--metric",
            help="{metrics}; auto: accuracy, and balanced_accuracy where the largest class has "
            "more than three times the images of the smallest.",
        ),
        WITH_FILE,
    ] = "auto",
    show: Annotated[
        str | None,
        typer.Option(
            help="One result in full, by id, name or model file: every metric and class.",
            show_default=False,
        ),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Write CSV to standard output.")] = False,
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Rank all that was measured on a source: heads, sweeps and networks, on all backbones.

    Results on other rows (another seed, other images) are ranked apart. Nothing is fitted again.

    Example: featx results photos --split test --sort auc
    """
    from ...cache import FeatureStore
    from ...classifiers.comparison.leaderboard import leaderboards, results_of

    store = FeatureStore(cache)
    measured = results_of(store, source)
    metric, why = measured.choose_metric(sort)
    if why:
        say(why)
    if show is not None:
        shown = _detail(store, source, show, split, metric)
        answer(as_json, _detail_data(shown), lambda console: _draw_detail(console, shown))
        return
    with Progress(unit="results") as progress:
        boards = leaderboards(measured, metric, split, progress)
    if as_csv:
        sys.stdout.write(_csv(boards, metric))
        return
    answer(as_json, _data(boards, metric), lambda console: _draw(console, boards, metric))


def _detail(
    store: FeatureStore, source: str | None, word: str, split: str, metric: Metric
) -> Detail:
    from ...classifiers.comparison.detail import detail
    from ...classifiers.comparison.leaderboard import results_of

    measured = results_of(store, source)
    return detail(measured, measured.find(word, split, metric), split)


def _data(boards: Sequence[Board], metric: Metric) -> dict[str, Any]:
    return {
        "metric": metric.name,
        "higher_is_better": metric.higher_is_better,
        "boards": [
            {
                "split": board.split,
                "rows": board.rows,
                "n_rows": board.n_rows,
                "baseline": board.baseline.to_dict() if board.baseline else None,
                "results": [entry.to_dict() for entry in board.entries],
            }
            for board in boards
        ],
    }


def _csv(boards: Sequence[Board], metric: Metric) -> str:
    """Return a line for each result, with a column for every metric."""
    from ...cache.views import DrawnViews
    from ...classifiers.selection.metrics import METRICS

    lines = [{"rows": board.rows, **e.to_dict()} for board in boards for e in board.entries]
    for line in lines:
        values, intervals = line.pop("metrics"), line.pop("intervals")
        line.pop("undefined")
        line.pop("params")
        line["called"] = line.pop("tag").get("name", "")
        line["views"] = DrawnViews.from_dict(line["views"]).describe()
        rarest = line.pop("rarest") or {}
        for name in dict.fromkeys((*METRICS, metric.name)):
            low, high = intervals.get(name, ("", ""))
            line |= {name: values.get(name, ""), f"{name}_low": low, f"{name}_high": high}
        line |= {f"rarest_{key}": rarest.get(part, "") for key, part in RAREST.items()}
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(lines[0]))
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _draw(console: Console, boards: Sequence[Board], metric: Metric) -> None:
    from ...classifiers.selection.metrics import cautions

    labels = _labels([entry for board in boards for entry in board.entries])
    for board in boards:
        console.print(f"By {metric.title} on {board.title}:")
        _draw_board(console, board, metric, labels)
        first = [board.entries[0].scores]
        for line in cautions(first, board.baseline, metric, "The first of them"):
            console.print(line)
    if len(boards) > 1:
        console.print(
            "Ranked apart, for they were measured on other rows: another split, seed or set of "
            "images."
        )
    if any(e.result.convergence_note for b in boards for e in b.entries):
        console.print("* stopped before it converged.")
    console.print("± is half the 95 % interval. featx compare A B says whether two really differ.")


def _draw_board(console: Console, board: Board, metric: Metric, labels: Mapping[str, str]) -> None:
    values = [entry.value(metric) for entry in board.entries]
    shown = bars(values, metric.higher_is_better) if console.is_terminal else [""] * len(values)
    names = [e.result.tag.get("name", "") for e in board.entries]
    rarest = rarest_header(entry.scores for entry in board.entries)
    columns = {
        "": [str(i) for i in range(1, len(values) + 1)],
        "model": [e.result.name + "*" * bool(e.result.convergence_note) for e in board.entries],
        **({"name": names} if any(names) else {}),
        "parameters": [e.params for e in board.entries],
        **({"features": [labels[e.result.features] for e in board.entries]} if labels else {}),
        **_views_column(board),
        metric.title: [metric_cell(e.scores, metric.name, HALF) for e in board.entries],
        rarest: [rarest_cell(e.scores) for e in board.entries],
        **({"bar": shown} if console.is_terminal else {}),
        "fit s": [f"{e.cost.fit_seconds:.2f}" for e in board.entries],
        "extract s": [_number(e.cost.extract_seconds) for e in board.entries],
        "size": [human_bytes(e.cost.model_bytes) for e in board.entries],
        "rows/s": [f"{e.cost.rows_per_second:,.0f}" for e in board.entries],
        "params": [_short(e.cost.n_parameters) for e in board.entries],
        "MACs": [_short(e.cost.multiply_adds) for e in board.entries],
        "kind": [e.result.kind for e in board.entries],
        "id": [e.result.id for e in board.entries],
    }
    rows = list(zip(*columns.values(), strict=True))
    if board.baseline:
        rows.append(_baseline_row(columns, board.baseline, metric, rarest))
    cut = [name for name in ("parameters", "name", "features", "model") if name in columns]
    draw_table(console, list(columns), rows, optional=OPTIONAL, cut=cut)


def _views_column(board: Board) -> dict[str, list[str]]:
    """Return which views each result learned from; nothing where none did."""
    from ...cache.views import DrawnViews

    views = [DrawnViews.from_dict(entry.result.views) for entry in board.entries]
    if all(one.n == 1 for one in views):
        return {}
    return {"views": [f"{one.n} {one.ops}" if one.n > 1 else "" for one in views]}


def _baseline_row(
    columns: Mapping[str, Sequence[str]], baseline: Scores, metric: Metric, rarest: str
) -> tuple[str, ...]:
    cells = {
        "model": "baseline",
        "parameters": f"always {baseline.params['class']!r}",
        metric.title: metric_cell(baseline, metric.name, HALF),
        rarest: rarest_cell(baseline),
    }
    return tuple(cells.get(name, "") for name in columns)


def _labels(entries: Sequence[RankedResult]) -> dict[str, str]:
    """Return a label for each set of features, by its name; empty where there is one only."""
    from ...classifiers.comparison.feature_labels import feature_labels

    sets = {entry.result.features: entry for entry in entries}
    specs = {name: entry.spec for name, entry in sets.items() if entry.spec is not None}
    labels = feature_labels(specs)
    others = {n: f"{e.result.backbone} {e.result.layer}" for n, e in sets.items() if n not in specs}
    return {**labels, **others} if len(sets) > 1 else {}


def _number(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.1f}"


def _short(n: int | None) -> str:
    """Return a count in three digits: ``15.4M``."""
    if n is None:
        return UNDEFINED
    value = float(n)
    for unit in ("", "k", "M", "G"):
        if value < 999.5:
            return f"{value:.3g}{unit}"
        value /= 1000
    return f"{value:.3g}T"


def _detail_data(shown: Detail) -> dict[str, Any]:
    return {
        **shown.entry.to_dict(),
        "history": dict(shown.entry.result.history),
        "class_names": list(shown.class_names),
        "classes": shown.classes,
        "confusion": shown.confusion,
    }


def _draw_detail(console: Console, shown: Detail) -> None:
    from ...classifiers.selection.metrics import METRICS

    entry, scores = shown.entry, shown.entry.scores
    result, cost = entry.result, entry.cost
    console.print(f"{result.id}: {result.name} {entry.params}".rstrip())
    console.print(f"on {result.features}, {scores.n_samples:,} rows of {scores.split}")
    draw_views(console, result.views)
    console.print(
        f"{_short(cost.n_parameters)} parameters, {_short(cost.n_trained)} of them trained in "
        f"{cost.fit_seconds:.1f} s; {_short(cost.multiply_adds)} multiply-adds an image"
    )
    rows = [
        (metric.title, f"{scores.metrics[name]:.4f}", *_ends(shown.intervals.get(name)))
        for name, metric in METRICS.items()
        if name in scores.metrics
    ]
    draw_table(console, ("metric", "value", "low", "high"), rows)
    for name, reason in scores.undefined.items():
        console.print(f"{METRICS[name].title}: undefined ({reason})" if name in METRICS else name)
    _draw_classes(console, shown)


def _ends(interval: tuple[float, float] | None) -> tuple[str, str]:
    return (f"{interval[0]:.4f}", f"{interval[1]:.4f}") if interval else (UNDEFINED, UNDEFINED)


def _draw_classes(console: Console, shown: Detail) -> None:
    names = ("precision", "recall", "f1", "auc")
    rows = [
        (
            one["class"],
            str(one["rows"]),
            *(f"{one[name]:.3f}" if name in one else UNDEFINED for name in names),
            confused,
        )
        for one, confused in zip(shown.classes, _confused(shown), strict=True)
    ]
    draw_table(
        console,
        ("class", "rows", *names, "taken for"),
        rows[:SHOWN_CLASSES],
        optional=("taken for", "auc"),
    )
    if len(rows) > SHOWN_CLASSES:
        console.print(f"and {len(rows) - SHOWN_CLASSES} more classes (--json lists all)")


def _confused(shown: Detail) -> Iterator[str]:
    """Yield the class that each class is most often taken for, with how often."""
    for label, counts in enumerate(shown.confusion):
        others = [0 if i == label else n for i, n in enumerate(counts)]
        most = max(range(len(others)), key=others.__getitem__)
        yield f"{shown.class_names[most]} {others[most]}" if others[most] else ""
