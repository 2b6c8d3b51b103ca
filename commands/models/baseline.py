"""featx baseline: a network trained from scratch, to measure heads against."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..common import (
    DEFAULT_CACHE,
    CacheOption,
    ClassWeightOption,
    JsonOption,
    KeepStateOption,
    MemoryOption,
    NameOption,
    NoteOption,
    OverwriteOption,
    TensorboardOption,
    TrainingPrecisionOption,
    answer,
    check_curves,
    parsed_memory,
    say_understood,
    typed_command,
    write_curves,
)
from ..features.extract import choose_source
from ..interruption import EPOCHS, leaves
from ..options import (
    PATH_OR_NAME,
    CropColumnsOption,
    GroupColumnOption,
    LabelColumnOption,
    PathColumnOption,
    SeparatorOption,
    SplitColumnOption,
    WeightColumnOption,
    WorkersOption,
    refuse_without,
)
from ..progress import Progress
from .fit import draw_fit, fit_data

AUGMENT_EPOCHS = 50


@leaves(EPOCHS)
def baseline(
    context: typer.Context,
    network: Annotated[str, typer.Argument(help="{networks}.", show_default=False)],
    source: Annotated[
        list[str] | None,
        typer.Argument(help="Images with labels, as for extract.", show_default="sample"),
        PATH_OR_NAME,
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training images.")] = 15,
    augment: Annotated[
        bool,
        typer.Option("--augment", help="Go on with images that are changed at random."),
    ] = False,
    augment_epochs: Annotated[
        int, typer.Option(min=1, help="Passes over changed images, with --augment.")
    ] = AUGMENT_EPOCHS,
    size: Annotated[
        int | None,
        typer.Option(min=1, help="Image side in pixels; default: the images' own, at most 200."),
    ] = None,
    resize: Annotated[str, typer.Option(help="squash, crop or pad.")] = "squash",
    lr: Annotated[float, typer.Option(help="Learning rate of Adam.")] = 1e-3,
    batch_size: Annotated[int, typer.Option(min=0, help="0: 256, fewer for large images.")] = 0,
    class_weight: ClassWeightOption = None,
    precision: TrainingPrecisionOption = "auto",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the split and the network.")] = 0,
    keep_state: KeepStateOption = False,
    memory: MemoryOption = None,
    workers: WorkersOption = 0,
    path_column: PathColumnOption = None,
    label_column: LabelColumnOption = None,
    split_column: SplitColumnOption = None,
    group_column: GroupColumnOption = None,
    weight_column: WeightColumnOption = None,
    crop_columns: CropColumnsOption = None,
    separator: SeparatorOption = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The model file to write.")] = Path(
        "baseline.featx"
    ),
    overwrite: OverwriteOption = False,
    name: NameOption = "",
    note: NoteOption = "",
    tensorboard: TensorboardOption = None,
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Train a small network from scratch on the same splits as the heads; write one model file.

    Its pixels are kept in the cache. Interrupted, the same command goes on after its last epoch.

    Example: featx baseline cnn3 photos/ --epochs 15 --augment
    """
    refuse_without(context, "augment", "augment_epochs")
    from ...cache import Tag
    from ...classifiers.baselines.api import BaselineOptions, train_baseline
    from ...classifiers.selection.decisions.class_values import parse_class_weight
    from ...extractor import RunOptions, SourceOptions, open_source

    params = {
        "epochs": epochs,
        "augment_epochs": augment_epochs if augment else 0,
        "lr": lr,
        "batch_size": batch_size,
        "class_weight": parse_class_weight(class_weight),
        "precision": precision,
        "random_state": seed,
    }
    options = BaselineOptions(
        params=params,
        size=size,
        resize=resize,
        memory=parsed_memory(memory),
        keep_state=keep_state,
        run=RunOptions(workers=workers),
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
    opened = open_source(choose_source(context, source), reading)
    say_understood(opened)
    check_curves(tensorboard)
    with Progress() as progress:
        report = train_baseline(
            network,
            opened,
            options,
            cache=cache,
            out=out,
            overwrite=overwrite,
            observer=progress,
            command=typed_command(),
            tag=Tag(name, note),
        )
    write_curves(tensorboard, {name or network: report.model.origin["history"]})
    answer(
        as_json,
        {**fit_data(report, out), "history": report.model.origin["history"]},
        lambda console: draw_fit(console, report, out),
    )
