"""featx evaluate: a model on a source with labels."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common import (
    DEFAULT_CACHE,
    UNDEFINED,
    CacheOption,
    JsonOption,
    OverwriteOption,
    answer,
    draw_table,
)
from ..interruption import NEW_FEATURES, leaves
from ..options import (
    PATH_OR_NAME,
    SOURCE_HELP,
    CropColumnsOption,
    GroupColumnOption,
    LabelColumnOption,
    PathColumnOption,
    SeparatorOption,
    SplitColumnOption,
    WeightsOption,
)
from ..progress import Progress
from ..view_options import (
    ALL_VIEW_OPS,
    TtaOption,
    ViewOpsOption,
    ViewsSeedOption,
    refuse_without_tta,
)

if TYPE_CHECKING:
    from rich.console import Console

    from ...classifiers.comparison.evaluate import Evaluation

COLUMNS = ("class", "rows", "precision", "recall", "f1", "auc", "average_precision")
SHOWN_COLUMNS = COLUMNS[:5]
SHOWN_CLASSES = 30
LARGEST_MATRIX = 10
SHOWN_PAIRS = 5
SHOWN_WORST = 5
HEADINGS = {"val": "validation", "train": "training", "held out": "held-out"}


@leaves(NEW_FEATURES)
def evaluate(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(help="A model file, as `featx fit` writes it.")],
    source: Annotated[
        str,
        typer.Argument(help=f"{SOURCE_HELP} Or features:NAME for cached features."),
        PATH_OR_NAME,
    ],
    split: Annotated[
        str | None,
        typer.Option(
            help="train, val or test; default: rows that the model was not trained on.",
            show_default=False,
        ),
    ] = None,
    tta: TtaOption = None,
    view_ops: ViewOpsOption = ALL_VIEW_OPS,
    views_seed: ViewsSeedOption = 0,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write the measures of each class to this file.")
    ] = None,
    overwrite: OverwriteOption = False,
    weights: WeightsOption = "imagenet",
    path_column: PathColumnOption = None,
    label_column: LabelColumnOption = None,
    split_column: SplitColumnOption = None,
    group_column: GroupColumnOption = None,
    crop_columns: CropColumnsOption = None,
    separator: SeparatorOption = None,
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Measure a model on images with labels: each class, confusion, and the worst images.

    Rows that the model was trained on are told apart, and counted in nothing else. Intervals are of
    95 %. The features are kept in the cache.

    Example: featx evaluate model.featx photos/
    """
    from ...cache import SPLITS, FeatureStore
    from ...cache.errors import ConfigError
    from ...cache.format.atomic import write_text
    from ...cache.output_path import output_file
    from ...cache.suggest import did_you_mean
    from ...classifiers import load_model
    from ...classifiers.comparison.evaluate import evaluate as evaluate_model
    from ...classifiers.comparison.source_features import features_of_source
    from ...classifiers.scoring.api import FEATURES, open_to_score
    from ...extractor import SourceOptions, Views

    refuse_without_tta(context)
    if split is not None and split not in SPLITS:
        raise ConfigError(f"--split {split!r}: no such split. {did_you_mean(split, SPLITS)}")
    loaded = load_model(model)
    target = csv_file and output_file(
        csv_file, "measures of classes", is_class_table, overwrite=overwrite
    )
    reading = SourceOptions(
        path_column=path_column,
        label_column=label_column,
        split_column=split_column,
        group_column=group_column,
        crop_columns=crop_columns,
        separator=separator,
    )
    opened = source if source.startswith(FEATURES) else open_to_score(source, reading)
    with Progress() as progress:
        features = features_of_source(
            loaded,
            opened,
            FeatureStore(cache),
            weights,
            progress,
            Views(tta or 1, view_ops, views_seed),
        )
    found = evaluate_model(loaded, features, split)
    if target:
        write_text(target, _csv(found))
    data = {"model": str(model), **asdict(found)}
    answer(as_json, data, lambda console: _draw(console, found))


def is_class_table(path: Path) -> bool:
    """Say whether a file was written by ``featx evaluate --csv``."""
    header = ",".join(COLUMNS).encode("ascii")
    with path.open("rb") as file:
        return file.read(len(header)) == header


def _csv(found: Evaluation) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([row.get(name, "") for name in COLUMNS] for row in found.classes)
    return text.getvalue()


def _draw(console: Console, found: Evaluation) -> None:
    from ...classifiers.comparison.visible import visible

    console.print(f"{found.n_judged:,} of {found.n_rows:,} rows of {found.features}")
    if found.n_views > 1:
        console.print(f"  each by the mean over {found.n_views} views")
    for line in _warnings(found):
        console.print(line)
    if len(found.parts) > 1:
        parts = [(p.role, f"{p.rows:,}", f"{p.accuracy:.4f}") for p in found.parts]
        draw_table(console, ("rows", "count", "accuracy"), parts)
        console.print()
    console.print(f"On {HEADINGS.get(found.judged, found.judged)} rows:")
    draw_table(console, ("metric", "value", "95 % interval"), list(_metric_rows(found)))
    console.print(
        f"baseline: always saying {found.baseline_class!r} has an accuracy of {found.baseline:.4f}"
    )
    console.print()
    rows = [tuple(map(_cell, (row.get(name) for name in SHOWN_COLUMNS))) for row in found.classes]
    draw_table(console, SHOWN_COLUMNS, rows[:SHOWN_CLASSES])
    if len(rows) > SHOWN_CLASSES:
        console.print(f"and {len(rows) - SHOWN_CLASSES} more classes (--csv and --json have all)")
    _draw_confusion(console, found)
    if found.worst:
        console.print("\nWrong, and sure:")
    for image in found.worst[:SHOWN_WORST]:
        taken = f"{image.predicted} ({image.probability:.2f})"
        console.print(f"  {visible(image.sample)}: {image.label}, taken for {taken}")


def _warnings(found: Evaluation) -> list[str]:
    from ...classifiers.selection.metrics import FEW_ROWS, METRICS

    lines = []
    n_unknown = found.n_labelled - found.n_known
    if n_unknown:
        shown = ", ".join(f"{name} ({n:,})" for name, n in list(found.unknown_classes.items())[:5])
        lines.append(
            f"{n_unknown:,} of {found.n_labelled:,} rows have a class that the model does not "
            f"know: {shown}"
        )
    trained = next((part.rows for part in found.parts if part.role == "trained on"), 0)
    if trained and found.judged in ("all", "train"):
        lines.append(
            f"WARNING: the model was trained on {trained:,} of these rows. What stands below says "
            "nothing of how it does on new images."
        )
    elif trained:
        lines.append(f"WARNING: the model was trained on {trained:,} more rows: left out below.")
    if not found.parts:
        lines.append(
            "WARNING: the model file does not say which images it was trained on. It may know "
            "these."
        )
    if not found.beats_baseline:
        metric = METRICS[found.metric].title
        lines.append(
            f"WARNING: the model is no better than always saying {found.baseline_class!r}, by "
            f"{metric}."
        )
    if found.n_judged < FEW_ROWS:
        lines.append(f"Only {found.n_judged} rows: what is measured here is a guess.")
    rare = [row["class"] for row in found.classes if 0 < row["rows"] < FEW_ROWS]
    if rare and found.n_judged >= FEW_ROWS:
        more = f" and {len(rare) - 5} more" if len(rare) > 5 else ""
        lines.append(f"Fewer than {FEW_ROWS} rows of {', '.join(rare[:5])}{more}.")
    return lines


def _metric_rows(found: Evaluation) -> Any:
    from ...classifiers.selection.metrics.registry import METRICS

    for name, value in found.measures.metrics.items():
        low, high = found.measures.intervals.get(name, (None, None))
        interval = UNDEFINED if low is None else f"{low:.4f} to {high:.4f}"
        yield METRICS[name].title, f"{value:.4f}", interval


def _draw_confusion(console: Console, found: Evaluation) -> None:
    names, counts = found.model_classes, found.confusion
    console.print()
    if len(names) <= LARGEST_MATRIX:
        headers = ("true class", *(str(i) for i in range(1, len(names) + 1)))
        rows = [
            (f"{i} {name}", *(str(n) if n else "" for n in row))
            for i, (name, row) in enumerate(zip(names, counts, strict=True), 1)
        ]
        draw_table(console, headers, rows)
        return
    pairs = [
        (n, names[i], names[j])
        for i, row in enumerate(counts)
        for j, n in enumerate(row)
        if n and i != j
    ]
    for n, true, taken in sorted(pairs, reverse=True)[:SHOWN_PAIRS]:
        console.print(f"{n:,} of {true} taken for {taken}")


def _cell(value: Any) -> str:
    if value is None:
        return UNDEFINED
    return (
        f"{value:.4f}"
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )
