"""featx similar: the images that are nearest to one."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ..common import DEFAULT_CACHE, FEATURES_HELP, CacheOption, JsonOption, answer, draw_table
from ..options import PATH_OR_NAME, WeightsOption

if TYPE_CHECKING:
    from rich.console import Console


def similar(
    image: Annotated[
        str, typer.Argument(help="An image file, or an id of the features."), PATH_OR_NAME
    ],
    features: Annotated[
        str | None, typer.Argument(help=FEATURES_HELP, show_default="the newest")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many images.")] = 20,
    weights: WeightsOption = "imagenet",
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Find the cached images that are nearest to one: exactly, by the cosine of their features.

    An image file is computed as the features were; an id of the features is looked up.

    Example: featx similar photos/1.jpg
    """
    from ...cache import FeatureStore
    from ...classifiers.similar import find_similar

    opened = FeatureStore(cache).open_features(features)
    neighbours = find_similar(opened, image, top, weights=weights)

    def draw(console: Console) -> None:
        rows = [(f"{n.similarity:.4f}", n.label, n.sample_id) for n in neighbours]
        draw_table(console, ("cosine", "label", "image"), rows)

    answer(as_json, [asdict(neighbour) for neighbour in neighbours], draw)
