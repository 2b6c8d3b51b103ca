"""featx score: a model over images, one row each."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .common import DEFAULT_CACHE, CacheOption, JsonOption, answer, draw_table, human_count
from .options import (
    BatchOption,
    EngineOption,
    MaxBadOption,
    WeightsOption,
    WorkersOption,
    run_options,
)
from .progress import ImageProgress

if TYPE_CHECKING:
    from rich.console import Console

    from ..classifiers.score import ScoreReport

SHOWN_CLASSES = 10


def score(
    model: Annotated[Path, typer.Argument(help="A model file, as `featx fit` writes it.")],
    source: Annotated[
        str, typer.Argument(help="A folder, table, arrays, .tar shards, a URL, or `sample`.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Where to write: .parquet, .csv or .jsonl.")
    ],
    weights: WeightsOption = "imagenet",
    engine: EngineOption = "auto",
    batch_size: BatchOption = "auto",
    workers: WorkersOption = 0,
    max_bad: MaxBadOption = None,
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Predict every image of a source: one row per input, in the source's order.

    Columns: id, predicted, probability, status, reason. An unreadable image gets a row with
    status `error`. Features that the cache holds are not computed again.

    Example: featx score model.featx photos/ --out predictions.parquet
    """
    from ..classifiers import score_images

    run = run_options(batch_size, workers, max_bad, engine)
    with ImageProgress(quiet=as_json) as progress:
        report = score_images(
            model, source, out, weights=weights, cache=cache, run=run, observer=progress
        )
    answer(as_json, asdict(report), lambda console: _draw(console, report))


def _draw(console: Console, report: ScoreReport) -> None:
    n = report.n_samples
    console.print(
        f"{human_count(n)} images scored in {report.seconds:.1f} s: "
        f"{human_count(n - report.n_errors)} ok, {human_count(report.n_errors)} unreadable; "
        f"features of {human_count(report.n_cached)} came from the cache"
    )
    for name, reason in report.first_errors:
        console.print(f"  unreadable: {name}: {reason}")
    shown = list(report.by_class.items())[:SHOWN_CLASSES]
    draw_table(console, ("predicted", "images"), [(name, f"{k:,}") for name, k in shown])
    if len(report.by_class) > SHOWN_CLASSES:
        console.print(f"  and {len(report.by_class) - SHOWN_CLASSES} more classes")
    if report.accuracy is not None:
        console.print(f"Agreement with the source's own labels: {report.accuracy:.4f}")
    console.print(f"Predictions: {report.out}")
