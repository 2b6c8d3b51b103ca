"""featx report: one page of what came of a source."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..common import (
    DEFAULT_CACHE,
    FEATURES_HELP,
    CacheOption,
    JsonOption,
    MetricOption,
    OverwriteOption,
    answer,
    human_bytes,
    typed_command,
)
from ..options import PATH_OR_NAME
from ..progress import Progress
from .project import ImagesOption

if TYPE_CHECKING:
    from rich.console import Console

    from ...classifiers.comparison.report.report import ReportInfo

TITLES = {
    "mistakes": "mistakes",
    "label-errors": "probable label errors",
    "near-duplicates": "near duplicates",
    "outliers": "outliers",
}


def report(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RESULT|MODEL]...",
            help="Results, as `featx results` names them, or model files; default: the best ones.",
            show_default=False,
        ),
        PATH_OR_NAME,
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write.")] = Path(
        "report.html"
    ),
    features: Annotated[
        str | None, typer.Option("--features", help=FEATURES_HELP, show_default=False)
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Draw predictions of val or test; default: what most models have."),
    ] = None,
    metric: MetricOption = "auto",
    tsne: Annotated[
        bool | None,
        typer.Option(
            "--tsne/--no-tsne",
            help="A t-SNE on the map; default: of up to 5,000 images, if openTSNE is there.",
            show_default=False,
        ),
    ] = None,
    curve: Annotated[
        bool,
        typer.Option("--curve", help="Fit the winner on more and more images; takes a while."),
    ] = False,
    source: ImagesOption = None,
    overwrite: OverwriteOption = False,
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Write one page to look at: leaderboard, curves, confusion, mistakes, map.

    The page is one file that opens anywhere: it needs no network and no server.

    Example: featx report --out report.html
    """
    from ...classifiers.comparison.report.named import find_named
    from ...classifiers.comparison.report.report import ReportOptions, write_report

    options = ReportOptions(
        features=features,
        split=split,
        metric=metric,
        source=source,
        with_tsne=tsne,
        with_curve=curve,
        overwrite=overwrite,
    )
    with Progress() as progress:
        info = write_report(
            find_named(models or [], cache),
            out,
            options,
            cache=cache,
            observer=progress,
            command=typed_command(),
        )
    answer(as_json, asdict(info), lambda console: _draw(console, info))


def _draw(console: Console, info: ReportInfo) -> None:
    counts = ", ".join(f"{n:,} {TITLES[name]}" for name, n in info.lists.items())
    models = "model" if info.n_models == 1 else "models"
    console.print(f"{info.n_models:,} {models}, {info.n_images:,} images: {counts}")
    for note in info.notes:
        console.print(note)
    console.print(
        f"Report: {info.out} ({human_bytes(info.n_bytes)}, {info.seconds:.1f} s). Open it in a "
        "browser"
    )
