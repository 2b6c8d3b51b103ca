"""featx similar: the images that are nearest to one."""

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
    answer,
    draw_table,
    human_bytes,
    typed_command,
)
from ..judging.project import ImagesOption
from ..options import PATH_OR_NAME, WeightsOption, refuse_without

if TYPE_CHECKING:
    from rich.console import Console

    from ...classifiers.similar.page import SimilarPage


def similar(
    context: typer.Context,
    image: Annotated[
        str, typer.Argument(help="An image file, or an id of the features."), PATH_OR_NAME
    ],
    features: Annotated[
        str | None, typer.Argument(help=FEATURES_HELP, show_default="the newest")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many images.")] = 20,
    html: Annotated[
        Path | None, typer.Option(help="Write a page that shows them, too.", show_default=False)
    ] = None,
    source: ImagesOption = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace any file at --html, whoever wrote it.")
    ] = False,
    weights: WeightsOption = "imagenet",
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Find the cached images that are nearest to one: exactly, by the cosine of their features.

    An image file is computed as the features were; an id of the features is looked up.

    Example: featx similar photos/1.jpg --html similar.html
    """
    refuse_without(context, "html", "source")
    from ...cache import FeatureStore
    from ...classifiers.similar import find_similar

    opened = FeatureStore(cache).open_features(features)
    page: SimilarPage | None = None
    if html is None:
        neighbours = find_similar(opened, image, top, weights=weights)
    else:
        from ...classifiers.similar.page import PageOptions, check_page, write_page

        options = PageOptions(source, overwrite, typed_command())
        check_page(html, options)
        neighbours = find_similar(opened, image, top, weights=weights)
        page = write_page(opened, image, neighbours, html, options)

    def draw(console: Console) -> None:
        if not neighbours:
            console.print(f"{opened.name} has no other image")
            return
        rows = [(f"{n.similarity:.4f}", n.label, n.sample_id) for n in neighbours]
        draw_table(console, ("cosine", "label", "image"), rows)
        if page is not None:
            _draw_page(console, page)

    answer(as_json, [asdict(neighbour) for neighbour in neighbours], draw)


def _draw_page(console: Console, page: SimilarPage) -> None:
    for note in page.notes:
        console.print(note)
    console.print(f"Page: {page.out} ({human_bytes(page.n_bytes)}). Open it in a browser")
