"""featx fit: cached features to a model file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import (
    DEFAULT_CACHE,
    FEATURES_HELP,
    CacheOption,
    JsonOption,
    ModelOutOption,
    answer,
    draw_table,
    score_cells,
    typed_command,
)

if TYPE_CHECKING:
    from rich.console import Console

    from ..cache import Scores
    from ..classifiers.fit import FitReport


def fit(
    features: Annotated[str | None, typer.Argument(help=FEATURES_HELP, show_default=False)] = None,
    head: Annotated[
        str, typer.Option("--head", help="The classifier; see `featx sweep --help` for all.")
    ] = "logreg",
    param: Annotated[
        list[str] | None,
        typer.Option("--param", help="A parameter of the head, as C=0.1; may be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the split and the head.")] = 0,
    out: ModelOutOption = Path("model.featx"),
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Train one head on cached features and write one model file.

    Splits that the source has (train, val, test) are kept; others are drawn, stratified.

    Example: featx fit --head svm --param C=10
    """
    from ..classifiers import HeadOptions, fit_model

    options = HeadOptions(head, _params(param or []), seed)
    report = fit_model(features, options, cache=cache, out=out, command=typed_command())
    answer(as_json, _fit_data(report, out), lambda console: _draw_fit(console, report, out))


def _params(pairs: list[str]) -> dict[str, Any]:
    from ..cache.errors import ConfigError

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


def _fit_data(report: FitReport, out: Path) -> dict[str, Any]:
    return {
        "model": str(out),
        "features": report.features,
        "scores": [scores.to_dict() for scores in report.scores],
        "n_train": len(report.split.train),
        "n_leaking": report.split.n_leaking,
        "n_skipped": report.n_skipped,
        "fit_seconds": report.seconds,
    }


def _draw_fit(console: Console, report: FitReport, out: Path) -> None:
    split = report.split
    console.print(
        f"{report.model.head_name} on {report.features}: {len(split.train):,} training rows, "
        f"{len(report.model.class_names)} classes, {report.seconds:.1f} s"
    )
    if report.n_skipped:
        console.print(f"  {report.n_skipped} samples of the source have no features")
    if split.n_leaking:
        console.print(f"  {split.n_leaking} training rows left out: equal to val or test images")
    draw_table(console, ("split", "rows", "accuracy", "F1", "AUC"), list(map(_row, report.scores)))
    console.print(f"Model: {out}. Next: featx score {out} photos/ --out predictions.parquet")


def _row(scores: Scores) -> tuple[str, ...]:
    return (scores.split, f"{scores.n_samples:,}", *score_cells(scores))
