"""featx compare: whether models really differ."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ..common import (
    DEFAULT_CACHE,
    CacheOption,
    JsonOption,
    MetricOption,
    answer,
    draw_table,
    metric_cell,
    say,
)
from ..measures import rarest_cell, rarest_header
from ..options import PATH_OR_NAME

if TYPE_CHECKING:
    from rich.console import Console

    from ...classifiers.comparison.compare import Comparison

SHOWN_IMAGES = 3


def compare(
    models: Annotated[
        list[str],
        typer.Argument(
            help="Model files, or ids or names that `featx results` lists; two or more."
        ),
        PATH_OR_NAME,
    ],
    metric: MetricOption = "auto",
    split: Annotated[
        str | None,
        typer.Option(
            help="val, test or cv5; default: test where all were measured on it, else val.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="Whose results a name means; default: of all.", show_default=False),
        PATH_OR_NAME,
    ] = None,
    as_csv: Annotated[
        bool,
        typer.Option("--csv", help="Write the images that not all get right, as CSV."),
    ] = False,
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Say whether two models or more really differ, on the rows that all were measured on.

    McNemar's exact test, paired bootstrap, DeLong's test; for several pairs Holm's correction.

    Example: featx compare model.featx baseline.featx
    """
    from ...cache import FeatureStore
    from ...classifiers.comparison.compare import compare as compare_models
    from ...classifiers.comparison.source_results import SourceResults

    store = FeatureStore(cache)
    manifest = store.find_parts(source)[0].record.manifest if source else None
    measured = SourceResults(store, manifest)
    chosen, why = measured.choose_metric(metric, *models)
    if why:
        say(why)
    comparison = compare_models(measured, models, chosen, split)
    if as_csv:
        labels = [model.label for model in comparison.models]
        writer = csv.DictWriter(sys.stdout, ("sample", "class", *labels), lineterminator="\n")
        writer.writeheader()
        writer.writerows(comparison.disagreements())
        return
    answer(as_json, _data(comparison), lambda console: _draw(console, comparison))


def _data(comparison: Comparison) -> dict[str, object]:
    from ...classifiers.comparison.wording import in_words

    pairs, metric = comparison.pairs, comparison.metric
    return {
        **comparison.to_dict(),
        "sentences": [in_words(pair, metric, len(pairs)) for pair in pairs],
    }


def _draw(console: Console, comparison: Comparison) -> None:
    from ...classifiers.comparison.source_results import describe_params
    from ...classifiers.comparison.wording import in_words
    from ...classifiers.selection.metrics import cautions

    metric, pairs = comparison.metric, comparison.pairs
    n_rows = len(comparison.models[0].predictions.rows)
    console.print(f"On the same {n_rows:,} rows of {comparison.split}:")
    rows = [
        (
            model.label,
            describe_params(model.result),
            model.result.backbone,
            metric_cell(model.scores, metric.name, ""),
            rarest_cell(model.scores),
            model.result.id,
        )
        for model in comparison.models
    ]
    least, rarest = comparison.baseline, rarest_header(m.scores for m in comparison.models)
    always = f"always {least.params['class']!r}"
    numbers = (metric_cell(least, metric.name, ""), rarest_cell(least))
    rows.append(("baseline", always, "", *numbers, ""))
    headers = ("model", "parameters", "features", metric.title, rarest, "id")
    optional, cut = ("id", "features", "parameters"), ("parameters", "features", "model")
    draw_table(console, headers, rows, optional=optional, cut=cut[optional.index("features") :])
    best = min(comparison.models, key=lambda m: metric.rank(m.value))
    for line in cautions([best.scores], least, metric, f"{best.label}, the best of them,"):
        console.print(line)
    for pair in pairs:
        console.print(in_words(pair, metric, len(pairs)))
        tests = f"  {pair.test}: p = {pair.p_value:.2g}. " if pair.p_value is not None else "  "
        console.print(
            f"{tests}Only {pair.a} is right on {pair.only_a:,} images, only {pair.b} on "
            f"{pair.only_b:,}."
        )
    for line in _images(comparison):
        console.print(line)


def _images(comparison: Comparison) -> list[str]:
    """Return some images that not all models get right."""
    from ...classifiers.comparison.visible import visible

    shown = comparison.disagreements()
    if not shown:
        return ["All models are right on the same images."]
    lines = []
    for one in shown[:SHOWN_IMAGES]:
        said = ", ".join(f"{m.label} says {one[m.label]}" for m in comparison.models)
        lines.append(f"  {visible(one['sample'])} ({one['class']}): {said}")
    more = len(shown) - SHOWN_IMAGES
    return ["For example:", *lines] + ([f"  and {more:,} more: --csv lists all"] * (more > 0))
