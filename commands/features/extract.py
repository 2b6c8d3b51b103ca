"""featx extract: images to cached features."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common import (
    DEFAULT_CACHE,
    CacheOption,
    JsonOption,
    NameOption,
    NoteOption,
    answer,
    human_count,
    say,
    say_understood,
)
from ..config_file import find_config
from ..interruption import NEW_FEATURES, leaves
from ..options import (
    OF_SOURCE,
    PATH_OR_NAME,
    SOURCE_HELP,
    ActorsOption,
    BatchOption,
    CropColumnsOption,
    DevicesOption,
    DriftOption,
    EngineOption,
    GpusOption,
    GroupColumnOption,
    LabelColumnOption,
    MaxBadOption,
    MaxPixelsOption,
    PathColumnOption,
    PrecisionOption,
    PreprocessOption,
    RayOption,
    SeparatorOption,
    ShardOption,
    SplitColumnOption,
    WeightColumnOption,
    WeightsOption,
    WorkersOption,
    part_of,
    run_options,
    workers_of,
)
from ..progress import Progress
from ..view_options import (
    ALL_VIEW_OPS,
    ViewOpsOption,
    ViewsOption,
    ViewsSeedOption,
    refuse_without_views,
)
from .forecast_text import draw_forecast
from .named_backbones import resolve_backbone
from .tuned_backbones import of_tuned_backbone

if TYPE_CHECKING:
    from rich.console import Console

    from ...extractor.extract_report import ExtractReport

SHOWN_BAD = 3
DEFAULT_BACKBONES = ["efficientnet_lite0"]


@leaves(NEW_FEATURES)
def extract(
    context: typer.Context,
    source: Annotated[
        list[str] | None,
        typer.Argument(help=SOURCE_HELP, show_default="sample"),
        PATH_OR_NAME,
    ] = None,
    backbone: Annotated[
        list[str],
        typer.Option(
            "--backbone",
            "-b",
            help="A name (see `featx backbones`), a .keras, .onnx or .xml file, a folder of "
            "Hugging Face or timm, or a fine-tuned model. Several share one decoding.",
            show_default="efficientnet_lite0",
        ),
        PATH_OR_NAME,
    ] = DEFAULT_BACKBONES,
    weights: WeightsOption = "imagenet",
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="Layer, or value of a graph; default: the last map, the output of features. "
            "Several share one forward pass.",
            show_default=False,
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="multi: the last layer, and the ends of the last three stages as grid:2, in one "
            "forward pass.",
            show_default=False,
        ),
    ] = None,
    pool: Annotated[
        str | None,
        typer.Option(
            help="avg, max, grid:2, flatten or none; of tokens also cls and mean (of patches); "
            "default: avg, of tokens cls.",
            show_default=False,
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(min=1, help="Image side in pixels; default: the backbone's own."),
    ] = None,
    resize: Annotated[
        str | None,
        typer.Option(
            help="squash, crop or pad; default: as the backbone's files say, else squash.",
            show_default=False,
        ),
    ] = None,
    views: ViewsOption = None,
    view_ops: ViewOpsOption = ALL_VIEW_OPS,
    views_seed: ViewsSeedOption = 0,
    background: Annotated[
        str, typer.Option(help="Colour behind transparent pixels and padding: #rrggbb or a name.")
    ] = "#ffffff",
    pixel_range: Annotated[
        str,
        typer.Option(
            metavar="auto|full|LOW:HIGH",
            help="Values that are black and white in images of more than 8 bits; auto looks at the "
            "files and at a sample.",
        ),
        OF_SOURCE,
    ] = "auto",
    preprocess: PreprocessOption = None,
    precision: PrecisionOption = "auto",
    storage: Annotated[str, typer.Option(help="float32 or float16 rows.")] = "float32",
    compression: Annotated[
        str | None,
        typer.Option(help="blosc-zstd, zstd, lz4 or gzip, for sparse features; default: none."),
    ] = None,
    engine: EngineOption = "auto",
    max_drift: DriftOption = None,
    batch_size: BatchOption = "auto",
    workers: WorkersOption = 0,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try images again that failed before.")
    ] = False,
    max_bad: MaxBadOption = None,
    max_pixels: MaxPixelsOption = None,
    shard: ShardOption = None,
    join: Annotated[
        bool,
        typer.Option("--join", help="Compute nothing: put the parts of --shard together, if all."),
    ] = False,
    devices: DevicesOption = None,
    ray: RayOption = None,
    actors: ActorsOption = 0,
    gpus_per_actor: GpusOption = None,
    path_column: PathColumnOption = None,
    label_column: LabelColumnOption = None,
    split_column: SplitColumnOption = None,
    group_column: GroupColumnOption = None,
    weight_column: WeightColumnOption = None,
    crop_columns: CropColumnsOption = None,
    separator: SeparatorOption = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say how many images, bytes and about how long; extract nothing."
        ),
    ] = False,
    name: NameOption = "",
    note: NoteOption = "",
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Run backbones over images once and keep the features in the cache.

    Only images that are not in the cache yet are computed. Interrupted, the same command goes on
    where it stopped.

    Example: featx extract photos/ --backbone resnet50
    """
    from ...cache import Tag
    from ...extractor import FeatureOptions, SourceOptions, Views, extract_several, open_source
    from ...extractor.api import forecast_extraction, options_of_preset, options_of_views
    from ...extractor.sources.address import SourceAddress

    layers: list[str | None] = [*layer] if layer else [None]
    named = [resolve_backbone(name, preprocess) for name in backbone]
    backbones = [
        FeatureOptions(
            backbone=path,
            weights=weights,
            pool=pool,
            image_size=size,
            resize=resize,
            precision=precision,
            storage=storage,
            background=background,
            pixel_range=pixel_range,
            preprocess=own_preprocess,
        )
        for path, own_preprocess in named
    ]
    features = [
        replace(one, layer=layer_name)
        for one in map(of_tuned_backbone, backbones)
        for layer_name in layers
    ]
    if preset is not None:
        features = [one for each in features for one in options_of_preset(preset, each)]
    refuse_without_views(context)
    drawn = Views(views or 1, view_ops, views_seed)
    with_views = [options_of_views(drawn, one) for one in features]
    # All sets of the images themselves stand first: the first of all counts as the newest.
    features = [one for view in zip(*with_views, strict=True) for one in view]
    run = replace(
        run_options(batch_size, workers, max_bad, engine, max_drift, retry_failed),
        compression=compression,
        max_pixels=max_pixels,
        tag=Tag(name, note),
        part=part_of(shard, join),
        shared_by=workers_of(devices, ray, actors, gpus_per_actor, alone=join or shard is not None),
    )
    reading = SourceOptions(
        path_column=path_column,
        label_column=label_column,
        split_column=split_column,
        group_column=group_column,
        weight_column=weight_column,
        crop_columns=crop_columns,
        separator=separator,
    )
    locations = choose_source(context, source)
    address = SourceAddress(locations, reading) if run.shared_by else None
    opened = address.open() if address else open_source(locations, reading)
    say_understood(opened)
    if dry_run:
        expected = forecast_extraction(opened, features, cache=cache, run=run)
        answer(as_json, asdict(expected), lambda console: draw_forecast(console, expected))
        return
    with Progress() as progress:
        reports = extract_several(
            address or opened, features, cache=cache, run=run, observer=progress, join=join
        )
    is_labelled = bool(opened.listing().class_names)
    answer(as_json, _data(reports), lambda console: _draw(console, reports, is_labelled))


def choose_source(context: typer.Context, source: list[str] | None) -> list[str]:
    """Return the sources to use, and say so where they were not typed."""
    if not source:
        say("No SOURCE given: using the bundled sample (2,500 images of Fashion-MNIST).")
        return ["sample"]
    origin = context.get_parameter_source("source")
    if origin is not None and origin.name == "DEFAULT_MAP":
        say(f"No SOURCE given: using {' '.join(source)} from {find_config()}.")
    return source


def _data(reports: list[ExtractReport]) -> dict[str, Any]:
    """Return the first set's fields, and where there are several, all of them under ``sets``."""
    sets = [_set_data(report) for report in reports]
    return sets[0] if len(sets) == 1 else {**sets[0], "sets": sets}


def _set_data(report: ExtractReport) -> dict[str, Any]:
    return {
        "features": report.name,
        **asdict(report.record),
        "view": report.spec.view,
        "bad": [asdict(image) for image in report.bad],
        "left_out": report.left_out,
        "stage_seconds": asdict(report.stages),
        "bottleneck": report.bottleneck,
        "warnings": report.warnings,
        "remarks": report.remarks,
    }


def _draw_next(console: Console, reports: list[ExtractReport], is_labelled: bool) -> None:
    """Say what the features are called, and what can be done with them."""
    first, *others = reports
    names = ", ".join(report.name for report in reports)
    if not is_labelled:
        console.print(f"Features: {names}. Next: featx score MODEL features:{first.name}")
        console.print(
            "Without labels nothing can be trained on them; featx similar finds neighbours"
        )
        return
    console.print(f"Features: {names}. Next: featx fit --head logreg, or featx sweep")
    if others:
        console.print(f"featx fit takes {first.name}, the first named, unless told otherwise.")
        joined = "+".join([first.name, *(r.record.fingerprint[:12] for r in others)])
        console.print(f"All side by side: featx fit {joined}")


def _draw(console: Console, reports: list[ExtractReport], is_labelled: bool) -> None:
    from ...classifiers.comparison.visible import visible

    views = [report for report in reports if report.spec.view]
    reports = [report for report in reports if not report.spec.view]
    for report in reports:
        _draw_counts(console, report, len(reports) > 1)
    if views:
        _draw_views(console, views, len(reports))
    report = reports[0]
    for image in report.bad[:SHOWN_BAD]:
        console.print(f"  unreadable: {visible(image.sample_id)}: {image.reason}")
    if report.bad:
        console.print(f"  all {len(report.bad)} with their reasons: {report.quarantine}")
    for remark, n_images in report.remarks.items():
        console.print(f"  {human_count(n_images)} read with a remark: {remark}")
    if report.left_out:
        others = ", ".join(f"{n} {suffix}" for suffix, n in report.left_out.items())
        console.print(f"  left out, being no images: {others}")
    _draw_next(console, reports, is_labelled)
    for warning in report.warnings:
        say(f"Warning: {warning}")
    if report.bottleneck:
        console.print(report.bottleneck)


def _draw_views(console: Console, views: list[ExtractReport], n_sets: int) -> None:
    n_new = sum(report.record.n_extracted for report in views)
    n_cached = sum(report.record.n_cached for report in views)
    n_views = len(views) // n_sets
    console.print(
        f"{n_views} random view{'s' * (n_views > 1)} of each image ({views[0].spec.view_ops}): "
        f"{human_count(n_new)} rows extracted, {human_count(n_cached)} already cached"
    )


def _draw_counts(console: Console, report: ExtractReport, named: bool) -> None:
    record = report.record
    rate = f" ({record.n_extracted / record.seconds:.0f} images/s)" if record.n_extracted else ""
    console.print(
        f"{report.name + ': ' if named else ''}"
        f"{human_count(record.n_samples)} images: {human_count(record.n_extracted)} extracted, "
        f"{human_count(record.n_cached)} already cached, {human_count(record.n_bad)} unreadable; "
        f"{record.seconds:.1f} s{rate}"
    )
