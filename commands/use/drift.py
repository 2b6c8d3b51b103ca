"""featx drift: whether new images are still like the training images."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..common import DEFAULT_CACHE, CacheOption, JsonOption, answer
from ..interruption import NEW_FEATURES, leaves
from ..options import PATH_OR_NAME, SOURCE_HELP, WeightsOption
from ..progress import Progress

if TYPE_CHECKING:
    from rich.console import Console

    from ...classifiers.comparison.drift.drift import SourceDrift

DRIFTED = 4


@leaves(NEW_FEATURES)
def drift(
    model: Annotated[Path, typer.Argument(help="A model file, as `featx fit` writes it.")],
    source: Annotated[
        str,
        typer.Argument(help=f"{SOURCE_HELP} Or features:NAME for cached features."),
        PATH_OR_NAME,
    ],
    max_auc: Annotated[
        float,
        typer.Option(
            min=0.5, max=1.0, help="Share of pairs told apart, from which on it counts as drift."
        ),
    ] = 0.65,
    weights: WeightsOption = "imagenet",
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Say whether images are still like those that a model was trained on; exit 4 where not.

    A classifier two-sample test on the features: p value by permutations, and the size of the
    difference. Labels are not needed. The features are kept in the cache.

    Example: featx drift model.featx inbox/
    """
    from ...cache import FeatureStore
    from ...classifiers import load_model
    from ...classifiers.comparison.drift.drift import measure_drift
    from ...classifiers.comparison.source_features import features_of_source

    loaded = load_model(model)
    with Progress() as progress:
        features = features_of_source(loaded, source, FeatureStore(cache), weights, progress)
    found = measure_drift(loaded, features, max_auc)
    data = {"model": str(model), **asdict(found), "sentence": found.sentence}
    answer(as_json, data, lambda console: _draw(console, found))
    if found.drifted:
        raise typer.Exit(DRIFTED)


def _draw(console: Console, found: SourceDrift) -> None:
    console.print(
        f"{found.n_compared:,} of {found.n_rows:,} images of {found.features} beside "
        f"{found.n_reference:,} training images"
    )
    if found.n_trained_on:
        console.print(f"  left out: {found.n_trained_on:,} that the model was trained on")
    console.print(found.sentence)
    console.print(
        f"{found.unlike:.1%} of them are unlike the training images; of images like those, at most "
        f"{found.unlike_rate:.1%} would be flagged."
    )
