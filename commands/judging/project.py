"""featx project: cached features in TensorBoard's Embedding Projector."""

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
    OverwriteOption,
    answer,
)
from ..options import PATH_OR_NAME
from ..progress import Progress

if TYPE_CHECKING:
    from rich.console import Console

    from ...classifiers.comparison.projector.project import ProjectReport

ImagesOption = Annotated[
    str | None,
    typer.Option(
        "--source",
        help="Where the images are, if no longer where they were extracted from.",
        show_default=False,
    ),
    PATH_OR_NAME,
]


def project(
    features: Annotated[
        list[str] | None, typer.Argument(help=FEATURES_HELP, show_default=False)
    ] = None,
    logdir: Annotated[
        Path, typer.Option("--logdir", help="Folder to write, and to give to TensorBoard.")
    ] = Path("featx-projector"),
    model: Annotated[
        list[Path] | None,
        typer.Option("--model", help="A model file whose predictions to show; may be repeated."),
    ] = None,
    points: Annotated[
        int, typer.Option(help="Points at most; of more, a sample stratified by class.")
    ] = 100_000,
    thumbnails: Annotated[
        int, typer.Option(help="Pixels of a thumbnail at most; 0 for none.")
    ] = 64,
    source: ImagesOption = None,
    overwrite: OverwriteOption = False,
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Write cached features for TensorBoard's Embedding Projector.

    Several feature sets go into one log, so that layers and backbones can be compared.

    Example: featx project photos --logdir log --model model.featx
    """
    from ...classifiers.comparison.projector.log_writer import ProjectOptions
    from ...classifiers.comparison.projector.project import project_features

    options = ProjectOptions(
        max_points=points, thumbnail_side=thumbnails, source=source, overwrite=overwrite
    )
    with Progress() as progress:
        report = project_features(
            features or [None],
            logdir,
            models=model or [],
            options=options,
            cache=cache,
            observer=progress,
        )
    answer(as_json, asdict(report), lambda console: _draw(console, report))


def _draw(console: Console, report: ProjectReport) -> None:
    for one in report.projected:
        console.print(f"{one.name}: {one.n_points:,} points of {one.n_features:,} features")
        console.print(f"  {one.features}" + (f", predicted by {one.model}" if one.model else ""))
    for note in report.notes:
        console.print(note)
    console.print(f"Log: {report.logdir}. Next: tensorboard --logdir {report.logdir}")
