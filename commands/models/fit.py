"""featx fit: cached features to a model file."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common import (
    DEFAULT_CACHE,
    FEATURES_HELP,
    CacheOption,
    ClassWeightOption,
    DropNearDuplicatesOption,
    JsonOption,
    MemoryOption,
    MetricOption,
    ModelOutOption,
    NameOption,
    NoteOption,
    OverwriteOption,
    SelectOption,
    SplitSeedOption,
    TensorboardOption,
    answer,
    check_curves,
    draw_table,
    metric_cell,
    parsed_memory,
    prepared_data,
    split_text,
    table_metrics,
    typed_command,
    write_curves,
)
from ..measures import rarest_cell, rarest_header
from ..options import is_typed
from ..output_encoding import encodable
from ..progress import Progress
from ..view_options import (
    LearnedOpsOption,
    LearnedSeedOption,
    LearnedViewsOption,
    draw_views,
    refuse_without_views,
)
from .confusion_text import MAX_CLASSES, confusion_lines

if TYPE_CHECKING:
    from rich.console import Console

    from ...cache import Scores
    from ...classifiers.selection.fit import FitReport
    from ...classifiers.selection.metrics import Metric

ALLOWED_BESIDE_LIKE = {
    "like",
    "metric",
    "memory",
    "out",
    "overwrite",
    "cache",
    "as_json",
    "name",
    "note",
}


def fit(
    context: typer.Context,
    features: Annotated[str | None, typer.Argument(help=FEATURES_HELP, show_default=False)] = None,
    head: Annotated[str, typer.Option("--head", help="{heads}.")] = "logreg",
    param: Annotated[
        list[str] | None,
        typer.Option("--param", help="Any parameter of the head, as gamma=0.1; may be repeated."),
    ] = None,
    strength: Annotated[
        float | None, typer.Option("-C", "--C", help="Of logreg, linear-svm and svm.")
    ] = None,
    class_weight: ClassWeightOption = None,
    preset: Annotated[str | None, typer.Option(help="Of dense: softmax, dropout or mlp.")] = None,
    hidden: Annotated[
        str | None, typer.Option(help="Of dense: widths of hidden layers, as 512,256.")
    ] = None,
    dropout: Annotated[
        float | None,
        typer.Option(help="Of dense: of its hidden layers, or of the features if there are none."),
    ] = None,
    lr: Annotated[float | None, typer.Option(help="Of dense: the learning rate.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Of dense, at most.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Of dense: epochs without progress until it stops.")
    ] = None,
    select: SelectOption = None,
    views: LearnedViewsOption = None,
    view_ops: LearnedOpsOption = None,
    views_seed: LearnedSeedOption = None,
    metric: MetricOption = "auto",
    memory: MemoryOption = None,
    drop_near_duplicates: DropNearDuplicatesOption = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the split and the head.")] = 0,
    split_seed: SplitSeedOption = None,
    like: Annotated[
        Path | None,
        typer.Option(
            "--like",
            help="Make this model again: its head, images, labels and split.",
            show_default=False,
        ),
    ] = None,
    out: ModelOutOption = Path("model.featx"),
    overwrite: OverwriteOption = False,
    name: NameOption = "",
    note: NoteOption = "",
    tensorboard: TensorboardOption = None,
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Train one head on cached features and write one model file.

    Splits that the source has (train, val, test) are kept; else a keyed hash of each image's bytes
    or group decides, and it stays (`featx split --help`).

    Example: featx fit --head dense --hidden 512,256 --dropout 0.5
    """
    from ...cache import Tag
    from ...classifiers import HeadOptions, fit_model
    from ...classifiers.selection.decisions.class_values import parse_class_weight

    given = {
        "C": strength,
        "class_weight": parse_class_weight(class_weight),
        "preset": preset,
        "hidden": _widths(hidden),
        "dropout": dropout,
        "lr": lr,
        "epochs": epochs,
        "patience": patience,
        "select": select,
    }
    params = {name: value for name, value in given.items() if value is not None}
    if like is not None:
        refuse_beside_like(context)
    refuse_without_views(context)
    options = HeadOptions(
        head,
        {**params, **_params(param or [])},
        seed,
        parsed_memory(memory),
        drop_near_duplicates,
        split_seed=split_seed,
        metric=metric,
        views=views or 1,
        view_ops=view_ops,
        views_seed=views_seed,
    )
    check_curves(tensorboard)
    with Progress() as progress:
        report = fit_model(
            features,
            options,
            like=like,
            metric=None if metric == "auto" else metric,
            cache=cache,
            out=out,
            overwrite=overwrite,
            observer=progress,
            command=typed_command(),
            tag=Tag(name, note),
        )
    write_curves(tensorboard, {report.model.head_name: _history(report)})
    answer(as_json, fit_data(report, out), lambda console: draw_fit(console, report, out))


def refuse_beside_like(context: typer.Context) -> None:
    """Refuse options that say what --like takes from the old model."""
    from ...cache.errors import ConfigError

    typed = [p for p in context.command.params if is_typed(context, str(p.name))]
    beside = [p.opts[-1] for p in typed if p.name not in ALLOWED_BESIDE_LIKE]
    if beside:
        names = ", ".join(name if name.startswith("-") else name.upper() for name in beside)
        raise ConfigError(
            f"--like takes head, parameters, images and split from the old model: leave {names} "
            "away, or leave --like away"
        )


def _widths(text: str | None) -> tuple[int, ...] | None:
    from ...cache.errors import ConfigError

    if text is None:
        return None
    try:
        return tuple(int(width) for width in text.split(","))
    except ValueError:
        raise ConfigError(f"--hidden takes widths such as 512,256, got {text!r}") from None


def _params(pairs: list[str]) -> dict[str, Any]:
    from ...cache.errors import ConfigError

    params: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ConfigError(f"--param takes NAME=VALUE, as in C=0.1, got {pair!r}")
        try:
            params[name] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            params[name] = value
    return params


def _history(report: FitReport) -> dict[str, list[float]]:
    """Return the training curves of a head; empty where it is not trained in epochs."""
    return getattr(report.model.head, "history_", {})


def fit_data(report: FitReport, out: Path) -> dict[str, Any]:
    """Return what ``--json`` writes of a fitted model."""
    return {
        "model": str(out),
        "features": report.features,
        "scores": [scores.to_dict() for scores in report.scores],
        "n_train": len(report.split.train),
        "views": dict(report.model.origin.get("views", {})),
        "split": dict(report.model.split),
        "n_leaking": report.split.n_leaking,
        "n_skipped": report.n_skipped,
        "fit_seconds": report.seconds,
        "converged": not report.model.head.convergence_note(),
        "metric": report.metric.name,
        "baselines": [scores.to_dict() for scores in report.baselines],
        **prepared_data([report.prepared]),
    }


def draw_fit(console: Console, report: FitReport, out: Path) -> None:
    """Draw what became of training: rows, seconds, metrics by split."""
    from ...classifiers.selection.metrics import cautions

    split, metric = report.split, report.metric
    console.print(
        f"{report.model.head_name} on {report.features}: {len(split.train):,} training rows, "
        f"{len(report.model.class_names)} classes, {report.seconds:.1f} s"
    )
    draw_views(console, report.model.origin.get("views", {}))
    console.print(f"  {split_text(report.model.split)}")
    if report.n_skipped:
        console.print(f"  left out, without features: {report.n_skipped} of the source's samples")
    if note := report.model.head.convergence_note():
        console.print(f"  {report.model.head_name} {note}")
    metrics = table_metrics(metric)
    titles = [one.title for one in metrics]
    headers = ("split", "rows", *titles, "baseline", rarest_header(report.scores))
    rows = [
        (
            *(s.split, f"{s.n_samples:,}", *_cells(s, metrics)),
            *(metric_cell(b, metric.name, ""), rarest_cell(s)),
        )
        for s, b in zip(report.scores, report.baselines, strict=True)
    ]
    if rows:
        draw_table(console, headers, rows, optional=("AUC", "F1"), cut=("split",))
        baseline = report.baselines[0].params["class"]
        console.print(f"  baseline: the {metric.title} of always saying {baseline!r}")
        for line in cautions(report.scores[::-1], report.baselines[-1], metric, "The model"):
            console.print(line)
        _draw_confusion(console, report)
    console.print(f"Model: {out}. Next: featx score {out} photos/ --out predictions.parquet")


def _cells(scores: Scores, metrics: Sequence[Metric]) -> list[str]:
    return [metric_cell(scores, metric.name, " ±{:.3f}") for metric in metrics]


def _draw_confusion(console: Console, report: FitReport) -> None:
    """Draw the confusion of few classes, on the last split that was measured."""
    from ...classifiers.selection.metrics import confusion

    split = report.scores[-1].split
    predictions = report.predictions.get(split)
    if predictions is None or len(report.model.class_names) > MAX_CLASSES:
        return
    counts = confusion(predictions.y, predictions.probabilities)
    title, *lines = confusion_lines(counts, report.model.class_names)
    for line in (f"Confusion on {split} ({title})", *lines):
        console.print(encodable(line, console.encoding))
