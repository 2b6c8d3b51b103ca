"""featx cache: look at the features that are there, check them, and keep them in order."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..common import (
    DEFAULT_CACHE,
    CacheOption,
    JsonOption,
    OverwriteOption,
    answer,
    human_bytes,
    human_count,
    say,
)
from ..interruption import STEPS, leaves
from . import cache_upkeep
from .cache_text import draw_info, draw_listing, draw_usage, listed
from .cache_upkeep import open_existing, open_store

if TYPE_CHECKING:
    from rich.console import Console

NameArgument = Annotated[
    str | None,
    typer.Argument(
        help="A source, source@fingerprint, a fingerprint or their start, or a backbone.",
        show_default="the newest",
    ),
]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Look at cached features, check them, and keep them in order.",
)


app.command()(cache_upkeep.init)


@app.command("ls")
def list_(cache: CacheOption = DEFAULT_CACHE, as_json: JsonOption = False) -> None:
    """List the cached features, newest first, two lines each, and their total.

    Sources under the same settings share one set: each shows its bytes, the total counts them once.

    `featx cache info NAME` says all of one. Names that end in `.scored` are of `featx score
    --write-cache`, `transformer-…` of a FeatureExtractor.

    Example: featx cache ls
    """
    from ...cache.errors import CacheFormatError
    from ...cache.maintenance.usage import measure_usage, sources_of_sets

    unreadable: list[CacheFormatError] = []
    store = open_store(cache)
    stored = store.list_features(unreadable)
    n_sources = sources_of_sets(stored)
    data = [listed(s, as_json, n_sources[s.record.fingerprint]) for s in stored]

    def draw(console: Console) -> None:
        if stored:
            draw_listing(console, data)
            draw_usage(console, measure_usage(store, stored))
        else:
            console.print(f"No features in {store.root}. Next: featx extract")

    answer(as_json, data, draw)
    for error in unreadable:
        say(f"Warning: not listed: {error}")


@app.command()
def info(
    name: NameArgument = None, cache: CacheOption = DEFAULT_CACHE, as_json: JsonOption = False
) -> None:
    """Show everything about one feature set.

    Example: featx cache info resnet50
    """
    from ...cache.maintenance.describe import describe

    described = describe(open_store(cache), name)
    answer(as_json, asdict(described), lambda console: draw_info(console, described))


@app.command()
def verify(cache: CacheOption = DEFAULT_CACHE, as_json: JsonOption = False) -> None:
    """Read every byte of the cache and name each file that is not as it was written.

    Exits with 1 where there is such a file.

    Example: featx cache verify
    """
    from ...cache.maintenance.verify import NEWER
    from ...cache.maintenance.verify import verify as run_verify

    report = run_verify(open_existing(cache))
    data = {**asdict(report), "ok": not report.findings}

    def draw(console: Console) -> None:
        for finding in report.findings:
            console.print(f"{finding.kind}: {finding.problem}")
        console.print(
            f"{human_count(report.n_files)} files, {human_bytes(report.n_bytes)} read: "
            + (f"{len(report.findings)} problems" if report.findings else "all whole")
        )
        if report.partials:
            console.print(f"{len(report.partials)} unfinished files, which harm nothing (gc)")
        if any(finding.kind != NEWER for finding in report.findings):
            console.print("Next: featx cache repair")
        elif report.findings:
            console.print("Next: upgrade featx. Nothing is damaged")

    answer(as_json, data, draw)
    if report.findings:
        raise typer.Exit(1)


@app.command()
@leaves(STEPS)
def repair(cache: CacheOption = DEFAULT_CACHE, as_json: JsonOption = False) -> None:
    """Set damaged and foreign files aside in the folder `damaged`; whole rows are kept.

    Nothing is deleted. The next extract computes the rows that are missing.

    Example: featx cache repair
    """
    from ...cache.maintenance.repair import repair as run_repair

    report = run_repair(open_existing(cache))

    def draw(console: Console) -> None:
        for before, after in report.moved.items():
            console.print(f"set aside: {before} → {after}")
        for path in report.restored:
            console.print(f"restored: {path}")
        for problem in report.left:
            console.print(f"left alone: {problem}")
        console.print(
            f"{len(report.moved)} files set aside; of shards that could still be opened, "
            f"{human_count(report.n_rows_saved)} rows kept, {human_count(report.n_rows_lost)} lost"
        )
        if report.moved:
            console.print("Next: the same featx extract as before computes what is missing")

    answer(as_json, asdict(report), draw)


app.command()(cache_upkeep.gc)
app.command()(cache_upkeep.rm)


@app.command()
@leaves(STEPS)
def merge(
    other: Annotated[Path, typer.Argument(help="Folder of the other cache; it is not changed.")],
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Take over the features that another cache holds.

    Example: featx cache merge /mnt/other/featx-cache
    """
    from ...cache.exchange.merge import merge as run_merge

    report = run_merge(open_store(cache), open_store(other))

    def draw(console: Console) -> None:
        console.print(
            f"{report.n_shards} shards with {human_count(report.n_rows)} rows adopted "
            f"({human_bytes(report.n_bytes)}), {report.n_present} were there already; "
            f"{report.n_sources} sources and {report.n_runs} runs are new"
        )
        for note in report.notes:
            console.print(f"note: {note}")
        for problem in report.damaged:
            console.print(f"left out: {problem}")

    answer(as_json, asdict(report), draw)
    if report.damaged:
        raise typer.Exit(1)


@app.command()
@leaves(STEPS)
def compact(
    compression: Annotated[
        str | None,
        typer.Option(
            help="Compress all shards: blosc-zstd, zstd, lz4, gzip or none.",
            show_default="each keeps what it has",
        ),
    ] = None,
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Join small shards into large ones of about 256 MB.

    Example: featx cache compact
    """
    from ...cache.maintenance.compact import compact as run_compact

    report = run_compact(open_existing(cache), compression)

    def draw(console: Console) -> None:
        console.print(
            f"{report.n_before} shards became {report.n_after}; "
            f"{human_bytes(report.n_bytes_before)} became {human_bytes(report.n_bytes_after)}; "
            f"{human_count(report.n_duplicates)} duplicate rows dropped; "
            f"{human_count(report.n_split_files)} files of splits joined to others"
        )
        for problem in report.damaged:
            console.print(f"left alone: {problem}")

    answer(as_json, asdict(report), draw)
    if report.damaged:
        raise typer.Exit(1)


@app.command()
def export(
    out: Annotated[
        Path, typer.Argument(help="The new file: .h5, .npz, .parquet, .arrow or .safetensors.")
    ],
    name: NameArgument = None,
    overwrite: OverwriteOption = False,
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Write features to one plain file that any tool reads.

    Example: featx cache export features.h5 resnet50
    """
    from ...cache.exchange.export import export as run_export

    report = run_export(open_store(cache).open_features(name), out, overwrite=overwrite)

    def draw(console: Console) -> None:
        console.print(
            f"{human_count(report.n_samples)} samples × {human_count(report.n_features)} features "
            f"in {report.path} ({human_bytes(report.n_bytes)}); {report.n_missing} samples have "
            "no features and are left out"
        )

    answer(as_json, asdict(report), draw)


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(help="What `cache export` writes, or HDF5 or .npz with X, and if known y."),
    ],
    name: Annotated[
        str | None, typer.Option(help="Name of the source.", show_default="the file's")
    ] = None,
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Take in features that someone else extracted.

    Example: featx cache import features.npz --name clip
    """
    from ...cache.exchange.import_ import import_features

    report = import_features(open_store(cache), file, name)

    def draw(console: Console) -> None:
        console.print(
            f"{human_count(report.n_samples)} samples × {human_count(report.n_features)} features, "
            f"{human_count(report.n_new)} of them new"
        )
        console.print(f"Features: {report.name}. Next: featx fit {report.name}")

    answer(as_json, asdict(report), draw)
