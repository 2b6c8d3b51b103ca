"""featx curve: would more images help?"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common import (
    DEFAULT_CACHE,
    FEATURES_HELP,
    UNDEFINED,
    CacheOption,
    JsonOption,
    MetricOption,
    answer,
    draw_table,
    metric_cell,
    say,
)
from ..measures import rarest_cell, rarest_header
from ..progress import Progress
from .bars import sparkline

if TYPE_CHECKING:
    from rich.console import Console

    from ...classifiers.comparison.curves.learning_curve import LearningCurve
    from ...classifiers.selection.metrics import Metric


def curve(
    heads: Annotated[
        list[str] | None,
        typer.Argument(help="{heads}; default: the best so far.", show_default=False),
    ] = None,
    features: Annotated[str | None, typer.Option(help=FEATURES_HELP, show_default=False)] = None,
    metric: MetricOption = "auto",
    draws: Annotated[int, typer.Option(min=1, help="Samples of each size.")] = 5,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the split and the samples.")] = 0,
    as_csv: Annotated[bool, typer.Option("--csv", help="Write CSV to standard output.")] = False,
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Show how good heads are by the number of training images, and what more would bring.

    Heads have the best parameters that were measured so far. Validation images judge.

    Example: featx curve logreg ridge --features photos
    """
    from ...cache import FeatureStore, ResultStore
    from ...classifiers.comparison.curves.learning_curve import (
        CurveOptions,
        choose_subjects,
        learning_curves,
    )
    from ...classifiers.selection.metrics import metric_for

    store = FeatureStore(cache)
    opened = store.open_features(features)
    chosen, why = metric_for(metric, opened.y, opened.class_names, "Measured")
    if why:
        say(why)
    options = CurveOptions(chosen, draws, seed)
    results = ResultStore(store.layout).read(opened.manifest.name)
    subjects = choose_subjects(heads or [], opened, results)
    with Progress(unit="fits") as progress:
        curves = learning_curves(opened, subjects, options, progress)
    if as_csv:
        _write_csv(curves, options.metric)
        return
    data = {
        "features": opened.name,
        "metric": options.metric.name,
        "higher_is_better": options.metric.higher_is_better,
        "curves": [{**c.to_dict(), "sentence": in_words(c, options.metric)} for c in curves],
    }
    answer(as_json, data, lambda console: _draw(console, curves, options.metric))


def _write_csv(curves: Sequence[LearningCurve], metric: Metric) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("head", "images", "draw", metric.name))
    for one in curves:
        for point in one.points:
            for draw, value in enumerate(point.values):
                writer.writerow((one.subject.head, point.n_images, draw, value))


def _draw(console: Console, curves: Sequence[LearningCurve], metric: Metric) -> None:
    from ...classifiers.selection.metrics import cautions

    console.print(f"{metric.title} on validation, by number of training images:")
    sizes = sorted({point.n_images for one in curves for point in one.points})
    by_size = [{p.n_images: p for p in one.points} for one in curves]
    rows = [(f"{size:,}", *(_cell(points.get(size)) for points in by_size)) for size in sizes]
    on_all = [one.on_all for one in curves]
    title = rarest_header(filter(None, on_all))
    rows.append((f"{title}, all", *(rarest_cell(s) if s else UNDEFINED for s in on_all)))
    rows.append(("baseline", *(metric_cell(one.baseline, metric.name, "") for one in curves)))
    draw_table(console, ("images", *(one.subject.head for one in curves)), rows)
    console.print(f"baseline: always saying {curves[0].baseline.params['class']!r}")
    for one in curves:
        line = in_words(one, metric)
        if console.is_terminal:
            line = f"{sparkline([p.mean for p in one.points])}  {line}"
        console.print(line)
        if one.problem:
            console.print(f"  {one.problem}")
    notes = [
        note
        for one in curves
        for note in cautions(
            filter(None, [one.on_all]), one.baseline, metric, f"{one.subject.head} on all images"
        )
    ]
    for note in dict.fromkeys(notes):
        console.print(note)


def _cell(point: Any) -> str:
    if point is None:
        return "–"
    spread = f" ({min(point.values):.3f}–{max(point.values):.3f})" if len(point.values) > 1 else ""
    return f"{point.mean:.4f}{spread}"


def in_words(one: LearningCurve, metric: Metric) -> str:
    """Say whether more images would help, and how many one more point needs."""
    head, ahead, n_all = one.subject.head, one.forecast, one.points[-1].n_images
    if ahead is None:
        return f"{head}: too few sizes to say what more images would bring."
    scale, unit = (100, " points") if metric.in_percent else (1, "")
    digits = 1 if metric.in_percent else 4
    low, high = (f"{scale * end:z.{digits}f}" for end in ahead.gain_interval)
    gain = f"{scale * ahead.gain:z.{digits}f}{unit} ({low} to {high})"
    said = f"{head}: twice the images would bring about {gain}."
    if not metric.in_percent:
        return said
    if ahead.n_images is None or ahead.n_images_interval is None:
        return f"{said} How many one more point needs cannot be said from these images."
    fewest, most = (f"{max(0, end - n_all):,}" for end in ahead.n_images_interval)
    more = f"{ahead.n_images - n_all:,} more images ({fewest} to {most})"
    return f"{said} One more point needs about {more}, if the curve goes on as a power law."
