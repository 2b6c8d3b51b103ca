"""featx extract: images to cached features."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import DEFAULT_CACHE, CacheOption, JsonOption, answer, human_count, notes
from .progress import ImageProgress

if TYPE_CHECKING:
    from rich.console import Console

    from ..extractor.extract import ExtractReport

SHOWN_BAD = 3

BackboneOption = Annotated[
    str,
    typer.Option(
        "--backbone",
        "-b",
        help="The frozen network: a name (see `featx backbones`) or a .keras file.",
    ),
]
WeightsOption = Annotated[
    str, typer.Option("--weights", help="imagenet, random:SEED, or the path of a weights file.")
]
WorkersOption = Annotated[
    int, typer.Option("--workers", min=0, help="Threads that decode; 0: one per core.")
]
BatchOption = Annotated[
    int, typer.Option("--batch-size", min=1, help="Images the backbone sees at once.")
]
MaxBadOption = Annotated[
    str | None,
    typer.Option("--max-bad", help="Exit with 3 if more images fail: a count, or a share as 1%."),
]


def extract(
    context: typer.Context,
    source: Annotated[
        str | None,
        typer.Argument(
            help="A folder, table, arrays, .tar shards, a URL, or `sample`.", show_default="sample"
        ),
    ] = None,
    backbone: BackboneOption = "efficientnet_lite0",
    weights: WeightsOption = "imagenet",
    layer: Annotated[
        str | None, typer.Option(help="Layer to take; default: the last map.", show_default=False)
    ] = None,
    pool: Annotated[
        str | None,
        typer.Option(help="avg, max, grid:2, flatten or none; default: avg.", show_default=False),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(min=1, help="Image side in pixels; default: the backbone's own."),
    ] = None,
    resize: Annotated[str, typer.Option(help="squash, crop or pad.")] = "squash",
    background: Annotated[
        str, typer.Option(help="Colour behind transparent pixels and padding: #rrggbb or a name.")
    ] = "#ffffff",
    preprocess: Annotated[
        str | None,
        typer.Option(
            help="For your own model: caffe, tf, torch, lite or none.", show_default=False
        ),
    ] = None,
    storage: Annotated[str, typer.Option(help="float32 or float16 rows.")] = "float32",
    batch_size: BatchOption = 64,
    workers: WorkersOption = 0,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try images again that failed before.")
    ] = False,
    max_bad: MaxBadOption = None,
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Run a backbone over images once and keep the features in the cache.

    Only images that are not in the cache yet are computed. Interrupted, the same command goes on
    where it stopped.

    Example: featx extract photos/ --backbone resnet50
    """
    from ..extractor import FeatureOptions, extract_features
    from ..extractor.options import BadLimit, RunOptions

    options = FeatureOptions(
        backbone=backbone,
        weights=weights,
        layer=layer,
        pool=pool,
        image_size=size,
        resize=resize,
        storage=storage,
        background=background,
        preprocess=preprocess,
    )
    run = RunOptions(
        workers=workers,
        batch_size=batch_size,
        retry_failed=retry_failed,
        max_bad=BadLimit.parse(max_bad) if max_bad else None,
    )
    place = choose_source(context, source)
    with ImageProgress(quiet=as_json) as progress:
        report = extract_features(place, options, cache=cache, run=run, observer=progress)
    answer(as_json, _data(report), lambda console: _draw(console, report))


def choose_source(context: typer.Context, source: str | None) -> str:
    """Return the source to use, and say so where it was not typed."""
    if source is None:
        notes().print("No SOURCE given: using the bundled sample (2,500 images of Fashion-MNIST).")
        return "sample"
    origin = context.get_parameter_source("source")
    if origin is not None and origin.name == "DEFAULT_MAP":
        notes().print(f"No SOURCE given: using {source} from featx.toml.")
    return source


def _data(report: ExtractReport) -> dict[str, Any]:
    return {
        "features": report.name,
        **asdict(report.record),
        "bad": [asdict(image) for image in report.bad],
        "left_out": report.left_out,
        "stage_seconds": asdict(report.stages),
    }


def _draw(console: Console, report: ExtractReport) -> None:
    record = report.record
    rate = f" ({record.n_extracted / record.seconds:.0f} images/s)" if record.n_extracted else ""
    console.print(
        f"{human_count(record.n_samples)} images: {human_count(record.n_extracted)} extracted, "
        f"{human_count(record.n_cached)} already cached, {human_count(record.n_bad)} unreadable; "
        f"{record.seconds:.1f} s{rate}"
    )
    for image in report.bad[:SHOWN_BAD]:
        console.print(f"  unreadable: {image.sample_id}: {image.reason}")
    if report.bad:
        console.print(f"  all {len(report.bad)} with their reasons: {report.quarantine}")
    if report.left_out:
        others = ", ".join(f"{n} {suffix}" for suffix, n in report.left_out.items())
        console.print(f"  left out, being no images: {others}")
    console.print(f"Features: {report.name}. Next: featx fit --head logreg, or featx sweep")
