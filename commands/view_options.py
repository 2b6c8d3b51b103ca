"""Options of random views of images: those that are made, and those that heads learn from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import refuse_without

if TYPE_CHECKING:
    from rich.console import Console

ALL_VIEW_OPS = "crop,flip,rotation,brightness"
ViewsOption = Annotated[
    int | None,
    typer.Option(
        "--views",
        min=1,
        help="Each image itself and N-1 random views of it.",
        show_default="1",
    ),
]
ViewOpsOption = Annotated[str, typer.Option("--view-ops", help="What a view changes, of these.")]
ViewsSeedOption = Annotated[
    int, typer.Option("--views-seed", min=0, help="That views are drawn with.")
]
TtaOption = Annotated[
    int | None,
    typer.Option(
        "--tta",
        min=1,
        help="Mean of the probabilities over the image itself and N-1 random views of it.",
        show_default="1",
    ),
]
LearnedViewsOption = Annotated[
    int | None,
    typer.Option(
        "--views",
        min=1,
        help="Learn from the training images and N-1 random views of each, which `featx extract "
        "--views` made; together they weigh as much as the image.",
        show_default="1",
    ),
]
LearnedOpsOption = Annotated[
    str | None,
    typer.Option("--view-ops", help="What these views change.", show_default="the newest views"),
]
LearnedSeedOption = Annotated[
    int | None,
    typer.Option(
        "--views-seed", min=0, help="That these views were drawn with.", show_default="likewise"
    ),
]


def refuse_without_views(context: typer.Context) -> None:
    """Refuse options that say how views were drawn where none are asked for."""
    refuse_without(context, "views", "view_ops", "views_seed")


def refuse_without_tta(context: typer.Context) -> None:
    """Refuse options that say how views were drawn where none are averaged over."""
    refuse_without(context, "tta", "view_ops", "views_seed")


def draw_views(console: Console, views: Mapping[str, Any]) -> None:
    """Say which views of the training images were learned from, if any."""
    from ..cache.views import DrawnViews

    if views:
        console.print(
            f"  learned from {DrawnViews.from_dict(views).describe()} of each training image"
        )
