"""featx finetune: the last layers of a backbone trained further, from the cache."""

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
    typed_command,
    write_curves,
)
from ..interruption import EPOCHS, leaves
from ..options import (
    PATH_OR_NAME,
    WorkersOption,
)
from ..progress import Progress
from ..view_options import (
    ALL_VIEW_OPS,
    ViewOpsOption,
    ViewsOption,
    ViewsSeedOption,
    refuse_without_views,
)
from .fit import draw_fit, fit_data


@leaves(EPOCHS)
def finetune(
    context: typer.Context,
    layer: Annotated[
        str, typer.Option("--from", help="The layers after this one are trained.", metavar="LAYER")
    ],
    features: Annotated[
        str | None,
        typer.Argument(
            help="Features, by any of their names; default: the newest.", show_default=False
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(min=0, help="Most passes over the training rows.")] = 10,
    lr: Annotated[float, typer.Option(help="Learning rate of the layers.")] = 1e-4,
    head_lr: Annotated[float, typer.Option(help="Learning rate of the head.")] = 1e-3,
    batch_size: Annotated[int, typer.Option(min=1, help="Images a step.")] = 64,
    batch_norm: Annotated[
        bool,
        typer.Option("--batch-norm", help="Train batch normalisation as well."),
    ] = False,
    mixup: Annotated[
        float,
        typer.Option(help="Mix pairs of images, parts from a beta distribution; 0.2 is usual."),
    ] = 0.0,
    patience: Annotated[
        int, typer.Option(min=1, help="Epochs that may pass without a better one.")
    ] = 5,
    class_weight: ClassWeightOption = None,
    precision: TrainingPrecisionOption = "auto",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the split and the batches.")] = 0,
    weights: Annotated[
        str, typer.Option(help="Of the backbone: imagenet, random:SEED or a path."), PATH_OR_NAME
    ] = "imagenet",
    source: Annotated[
        str | None,
        typer.Option(help="Where the images are now, if they were moved.", show_default=False),
        PATH_OR_NAME,
    ] = None,
    views: ViewsOption = None,
    view_ops: ViewOpsOption = ALL_VIEW_OPS,
    views_seed: ViewsSeedOption = 0,
    keep_state: KeepStateOption = False,
    memory: MemoryOption = None,
    workers: WorkersOption = 0,
    out: Annotated[Path, typer.Option("--out", "-o", help="The model file to write.")] = Path(
        "finetuned.featx"
    ),
    overwrite: OverwriteOption = False,
    name: NameOption = "",
    note: NoteOption = "",
    tensorboard: TensorboardOption = None,
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Train the last layers of a backbone further, and a head; write one model file.

    The frozen layers run once, into the cache. Training starts from the best logistic regression
    and keeps the best epoch. Interrupted, the same command goes on after its last epoch.

    Example: featx finetune photos --from block6d_add
    """
    from ...cache import Tag
    from ...classifiers.selection.decisions.class_values import parse_class_weight
    from ...classifiers.tuning.finetune import FinetuneOptions, run_finetune
    from ...extractor import RunOptions, Views

    refuse_without_views(context)
    options = FinetuneOptions(
        params={
            "epochs": epochs,
            "lr": lr,
            "head_lr": head_lr,
            "batch_size": batch_size,
            "batch_norm": batch_norm,
            "mixup": mixup,
            "patience": patience,
            "precision": precision,
            "class_weight": parse_class_weight(class_weight),
            "random_state": seed,
        },
        weights=weights,
        source=source,
        memory=parsed_memory(memory),
        views=Views(views or 1, view_ops, views_seed),
        keep_state=keep_state,
        run=RunOptions(workers=workers),
    )
    check_curves(tensorboard)
    with Progress() as progress:
        report = run_finetune(
            layer,
            features,
            options,
            cache=cache,
            out=out,
            overwrite=overwrite,
            observer=progress,
            command=typed_command(),
            tag=Tag(name, note),
        )
    history = report.model.origin["history"]
    write_curves(tensorboard, {name or "finetune": history})
    answer(
        as_json,
        {**fit_data(report, out), "history": history},
        lambda console: draw_fit(console, report, out),
    )
