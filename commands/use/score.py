"""featx score: a model over images or cached features, one row each."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..common import (
    DEFAULT_CACHE,
    CacheOption,
    JsonOption,
    OverwriteOption,
    answer,
    say_understood,
)
from ..interruption import PREDICTIONS, leaves
from ..options import (
    PATH_OR_NAME,
    SOURCE_HELP,
    ActorsOption,
    BatchOption,
    CropColumnsOption,
    DevicesOption,
    EngineOption,
    GpusOption,
    GroupColumnOption,
    LabelColumnOption,
    MaxBadOption,
    MaxPixelsOption,
    PathColumnOption,
    RayOption,
    SeparatorOption,
    ShardOption,
    SplitColumnOption,
    WeightsOption,
    WorkersOption,
    part_of,
    refuse_without,
    run_options,
    workers_of,
)
from ..progress import Progress
from ..view_options import (
    ALL_VIEW_OPS,
    TtaOption,
    ViewOpsOption,
    ViewsSeedOption,
    refuse_without_tta,
)
from .score_text import draw_score

if TYPE_CHECKING:
    from ...classifiers.scoring.api import ScoreOptions
    from ...extractor.sources import Source, SourceOptions
    from ...extractor.sources.address import SourceAddress


@leaves(PREDICTIONS)
def score(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(help="A model file, as `featx fit` writes it.")],
    source: Annotated[
        list[str],
        typer.Argument(help=f"{SOURCE_HELP} Or features:NAME for cached features."),
        PATH_OR_NAME,
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="A file that ends in {endings}; without an ending, a folder.",
            show_default="predictions.parquet, the folder predictions with --new-only or --shard",
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(help="Of a folder's part files: {formats}.", show_default=False),
    ] = None,
    top_k: Annotated[int, typer.Option(min=0, help="Add the K best classes; 0: none.")] = 0,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Add one column p_<class> for each class.")
    ] = False,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Two classes: predict the second where its probability is this or more.",
            show_default=False,
        ),
    ] = None,
    abstain_below: Annotated[
        float | None,
        typer.Option(
            help="Below this probability a row is `unsure`, with no class.", show_default=False
        ),
    ] = None,
    flag_unlike: Annotated[
        bool,
        typer.Option(
            "--flag-unlike", help="Add a column: is the image unlike the training images?"
        ),
    ] = False,
    unlike_rate: Annotated[
        str,
        typer.Option(
            "--unlike-rate", help="With --flag-unlike: share of like images that may be flagged."
        ),
    ] = "1%",
    tta: TtaOption = None,
    view_ops: ViewOpsOption = ALL_VIEW_OPS,
    views_seed: ViewsSeedOption = 0,
    columns: Annotated[
        str | None,
        typer.Option(help="More columns: {columns}, with commas between.", show_default=False),
    ] = None,
    new_only: Annotated[
        bool,
        typer.Option(
            "--new-only",
            help="Add a part file with the images that the folder --out has no prediction of.",
        ),
    ] = False,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="A source without images is no error.")
    ] = False,
    write_cache: Annotated[
        bool, typer.Option("--write-cache", help="Keep the features that are computed.")
    ] = False,
    overwrite: OverwriteOption = False,
    weights: WeightsOption = "imagenet",
    engine: EngineOption = "auto",
    batch_size: BatchOption = "auto",
    workers: WorkersOption = 0,
    max_bad: MaxBadOption = None,
    max_pixels: MaxPixelsOption = None,
    shard: ShardOption = None,
    join: Annotated[
        bool,
        typer.Option(
            "--join", help="Predict nothing: put the parts of --shard in --out together, if all."
        ),
    ] = False,
    devices: DevicesOption = None,
    ray: RayOption = None,
    actors: ActorsOption = 0,
    gpus_per_actor: GpusOption = None,
    path_column: PathColumnOption = None,
    label_column: LabelColumnOption = None,
    split_column: SplitColumnOption = None,
    group_column: GroupColumnOption = None,
    crop_columns: CropColumnsOption = None,
    separator: SeparatorOption = None,
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Predict every image of a source: one row per input, in the source's order.

    Columns: id, predicted, probability, status, reason. The status is `ok`, `unsure` (see
    --abstain-below) or `error` (an unreadable image). Interrupted, the same command goes on where
    it stopped; the result has its name only when it is whole.

    A nightly job: featx score model.featx inbox/ --out predictions --new-only --allow-empty

    Example: featx score model.featx photos/ --out predictions.parquet
    """
    refuse_without(context, "flag_unlike", "unlike_rate")
    refuse_without_tta(context)
    from ...classifiers import PredictionOptions, ScoreOptions, score_images
    from ...classifiers.scoring.join import join_predictions
    from ...classifiers.selection.decisions.class_values import parse_share
    from ...extractor import SourceOptions, Views

    options = ScoreOptions(
        predictions=PredictionOptions(
            top_k=top_k,
            probabilities=probabilities,
            threshold=threshold,
            abstain_below=abstain_below,
            unlike_rate=parse_share(unlike_rate, "--unlike-rate") if flag_unlike else None,
        ),
        columns=tuple(name.strip() for name in columns.split(",")) if columns else (),
        format=format,
        new_only=new_only,
        allow_empty=allow_empty,
        weights=weights,
        write_cache=write_cache,
        overwrite=overwrite,
        views=Views(tta or 1, view_ops, views_seed),
        run=replace(
            run_options(batch_size, workers, max_bad, engine),
            max_pixels=max_pixels,
            part=part_of(shard, join),
            shared_by=workers_of(
                devices, ray, actors, gpus_per_actor, alone=join or new_only or shard is not None
            ),
        ),
    )
    reading = SourceOptions(
        path_column=path_column,
        label_column=label_column,
        split_column=split_column,
        group_column=group_column,
        crop_columns=crop_columns,
        separator=separator,
    )
    opened = _opened(source, reading, options)
    in_parts = new_only or join or shard is not None
    target = out or Path("predictions" if in_parts else f"predictions.{format or 'parquet'}")
    if join:
        report = join_predictions(model, opened, target, options, cache=cache)
    else:
        with Progress() as progress:
            report = score_images(model, opened, target, options, cache=cache, observer=progress)
    answer(as_json, asdict(report), lambda console: draw_score(console, report))


def _opened(
    source: list[str], reading: SourceOptions, options: ScoreOptions
) -> str | Source | SourceAddress:
    """Open what is to be scored, and say how it is understood; cached features keep their name.

    Workers are told where it is, and open it themselves.
    """
    from ...classifiers.scoring.api import FEATURES, open_to_score
    from ...extractor.sources.address import SourceAddress

    if len(source) == 1 and source[0].startswith(FEATURES):
        return source[0]
    address = SourceAddress(source, reading) if options.run.shared_by else None
    opened = open_to_score(source, reading, options.allow_empty)
    say_understood(opened)
    return address or opened
