"""featx doctor: what an extraction would run on, and what would hold it up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common import (
    DEFAULT_CACHE,
    CacheOption,
    JsonOption,
    answer,
    draw_table,
    human_bytes,
    output,
    say,
    say_understood,
)
from ..options import (
    PATH_OR_NAME,
    SOURCE_HELP,
    BatchOption,
    CropColumnsOption,
    DriftOption,
    EngineOption,
    GroupColumnOption,
    LabelColumnOption,
    PathColumnOption,
    PrecisionOption,
    PreprocessOption,
    SeparatorOption,
    SplitColumnOption,
    WeightsOption,
    WorkersOption,
    run_options,
)
from .extract import choose_source
from .named_backbones import resolve_backbone

if TYPE_CHECKING:
    from rich.console import Console

    from ...extractor.doctor import Diagnosis
    from ...extractor.machine.compiled import CompiledPart
    from ...extractor.machine.hardware import Hardware

SHOWN_FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8")
UNBOUNDED = 1e7


def doctor(
    context: typer.Context,
    source: Annotated[
        list[str] | None,
        typer.Argument(help=SOURCE_HELP, show_default="sample"),
        PATH_OR_NAME,
    ] = None,
    backbone: Annotated[
        str,
        typer.Option("--backbone", "-b", help="The frozen network."),
        PATH_OR_NAME,
    ] = "efficientnet_lite0",
    weights: WeightsOption = "imagenet",
    preprocess: PreprocessOption = None,
    size: Annotated[
        int | None,
        typer.Option(min=1, help="Image side in pixels; default: the backbone's own."),
    ] = None,
    precision: PrecisionOption = "auto",
    engine: EngineOption = "auto",
    max_drift: DriftOption = None,
    batch_size: BatchOption = "auto",
    workers: WorkersOption = 0,
    path_column: PathColumnOption = None,
    label_column: LabelColumnOption = None,
    split_column: SplitColumnOption = None,
    group_column: GroupColumnOption = None,
    crop_columns: CropColumnsOption = None,
    separator: SeparatorOption = None,
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Show what an extraction would run on and why, how fast each stage is, and what to change.

    Some images of the source are read, decoded and computed; nothing goes into the cache. Where
    the network cannot run here, the message says what is to be done.

    Example: featx doctor photos/ --backbone resnet50
    """
    from ...cache import FeatureStore
    from ...cache.errors import FeatxError
    from ...classifiers.heads.registry import compiled_parts
    from ...extractor import FeatureOptions, SourceOptions, open_source
    from ...extractor.doctor import examine
    from ...extractor.machine.compiled import IMAGE_PARTS
    from ...extractor.machine.hardware import this_machine
    from ...extractor.plan import make_plan

    run = run_options(batch_size, workers, None, engine, max_drift)
    reading = SourceOptions(
        path_column=path_column,
        label_column=label_column,
        split_column=split_column,
        group_column=group_column,
        crop_columns=crop_columns,
        separator=separator,
    )
    opened = open_source(choose_source(context, source), reading)
    say_understood(opened)
    path, own_preprocess = resolve_backbone(backbone, preprocess)
    options = FeatureOptions(
        backbone=path,
        weights=weights,
        image_size=size,
        precision=precision,
        preprocess=own_preprocess,
    )
    parts = (*IMAGE_PARTS, *compiled_parts())
    try:
        found = examine(opened, make_plan(options), FeatureStore(cache), run)
    except FeatxError:
        if not as_json:
            _draw_machine(output(), this_machine())
            _draw_compiled(output(), parts)
        raise
    answer(as_json, _data(found, parts), lambda console: _draw(console, found, parts))


def _data(found: Diagnosis, parts: Sequence[CompiledPart]) -> dict[str, Any]:
    data = asdict(found)
    data["hardware"]["flags"] = sorted(found.hardware.flags)
    data["compiled"] = [{**asdict(part), "is_in_use": part.is_in_use} for part in parts]
    return data


def _draw(console: Console, found: Diagnosis, parts: Sequence[CompiledPart]) -> None:
    _draw_machine(console, found.hardware, found.accelerators)
    console.print(f"engine      {found.engine}: {found.engine_why}")
    console.print(f"precision   {found.precision}: {found.precision_why}")
    console.print(f"batch size  {found.batch_size}")
    if found.model_folder:
        console.print(f"model       {found.model_folder}")
    _draw_compiled(console, parts)
    rows = [(stage, _rate(rate)) for stage, rate in found.rates.by_stage().items()]
    draw_table(console, ("stage", "images/s alone"), rows)
    for warning in found.warnings:
        say(f"Warning: {warning}")
    console.print(found.bottleneck)


def _draw_machine(console: Console, machine: Hardware, accelerators: str = "") -> None:
    flags = " ".join(flag for flag in SHOWN_FLAGS if flag in machine.flags)
    console.print(
        f"processor   {machine.cpu}, {machine.n_cores} cores ({flags or 'flags unknown'})"
    )
    console.print(f"memory      {human_bytes(machine.memory_bytes)} free")
    signs = ", ".join((*machine.gpus, *machine.gpu_models, *machine.gpu_hints)) or "none"
    said = f"; {accelerators}" if accelerators else ""
    console.print(f"GPU         {signs}{said}")


def _draw_compiled(console: Console, parts: Sequence[CompiledPart]) -> None:
    from ...extractor.machine.compiled import HOW_TO_HAVE

    in_use = [part.name for part in parts if part.is_in_use]
    console.print(f"compiled    {', '.join(in_use) or 'nothing'} in use")
    for part in parts:
        if not part.is_in_use:
            console.print(f"            {part.name} is missing: {part.slower}")
    if len(in_use) < len(parts):
        console.print(f"            {HOW_TO_HAVE}")


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate < UNBOUNDED else "–"
