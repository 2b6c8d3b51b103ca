"""Options that the commands which run a backbone share."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..extractor import RunOptions
    from ..extractor.parts import Part
    from ..extractor.workers.worker_options import WorkerOptions

AUTO = "auto"
BY_CLASS = "values by class"
"""Stands in the annotation of a text such as ``Shirt=5,Bag=2``: in featx.toml also a table."""
PATH_OR_NAME = "path or name"
"""Stands in the annotation of a text that may be a path: featx.toml's are relative to that file."""
WITH_FILE = "name with a file"
"""Stands in the annotation of a text such as ``cost:FILE``, whose path is as those above."""
OF_SOURCE = "of a source"
"""Stands in the annotation of an option that says how a source is read: featx.toml's [source]."""

WeightsOption = Annotated[
    str,
    typer.Option("--weights", help="imagenet, random:SEED, or the path of a weights file."),
    PATH_OR_NAME,
]
PreprocessOption = Annotated[
    str | None,
    typer.Option(
        "--preprocess",
        metavar="FILE|imagenet|clip|inception|none",
        help="For your own model: a preprocessor_config.json, timm's config.json, or a name; also "
        "caffe, tf, torch and lite.",
        show_default=False,
    ),
    PATH_OR_NAME,
]
WorkersOption = Annotated[
    int, typer.Option("--workers", min=0, help="Threads that decode; 0: one per core.")
]
BatchOption = Annotated[
    str,
    typer.Option("--batch-size", metavar="N|auto", help="Images the backbone sees at once."),
]
MaxBadOption = Annotated[
    str | None,
    typer.Option("--max-bad", help="Exit with 3 if more images fail: a count, or a share as 1%."),
]
MaxPixelsOption = Annotated[
    int | None,
    typer.Option(
        "--max-pixels",
        min=1,
        help="Pixels that one image may have; a large JPEG counts after its scaled decoding.",
        show_default="89478485",
    ),
]
EngineOption = Annotated[str, typer.Option("--engine", help="{engines}; auto takes the fastest.")]
PrecisionOption = Annotated[
    str,
    typer.Option(
        "--precision",
        help="auto, float32, bfloat16 or float16; auto takes a fast one whose drift is small, the "
        "same one for all images.",
    ),
]
DriftOption = Annotated[
    float | None,
    typer.Option(
        "--max-drift",
        help="1 - cosine to float32 that the median row may have: half of it for --precision auto "
        "to take a format, all of it before a run warns.",
        show_default="0.001",
    ),
]

SOURCE_HELP = (
    "Folders, tables, arrays, .tar or .zip archives, images, a .txt of paths, a pattern in quotes, "
    "a URL, - for paths on standard input, or `sample`."
)
PathColumnOption = Annotated[
    str | None,
    typer.Option("--path-column", help="A table's column of image files.", show_default=False),
    OF_SOURCE,
]
LabelColumnOption = Annotated[
    str | None,
    typer.Option(
        "--label-column",
        help="A table's column of classes; A,B,C for one-hot columns; none for no labels.",
        show_default=False,
    ),
    OF_SOURCE,
]
SplitColumnOption = Annotated[
    str | None,
    typer.Option(
        "--split-column", help="A table's column of train, val and test.", show_default=False
    ),
    OF_SOURCE,
]
GroupColumnOption = Annotated[
    str | None,
    typer.Option(
        "--group-column", help="A table's column of groups to keep together.", show_default=False
    ),
    OF_SOURCE,
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="K/N",
        help="Work on part K of N only, for job arrays.",
        show_default=False,
    ),
]
DevicesOption = Annotated[
    str | None,
    typer.Option(
        "--devices",
        metavar="auto|0,1|cpu:N",
        help="One worker process for each accelerator, or N on the processor.",
        show_default=False,
    ),
]
RayOption = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="[ADDRESS]",
        help="Share the work among actors of Ray: auto or HOST:PORT of a cluster; no address: a "
        "Ray of this machine.",
        show_default=False,
    ),
]
ActorsOption = Annotated[
    int,
    typer.Option("--actors", min=0, help="How many actors --ray starts; 0: by its nodes."),
]
GpusOption = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-actor",
        min=0,
        help="Of --ray; may be a fraction.",
        show_default="1 where there are GPUs",
    ),
]
WeightColumnOption = Annotated[
    str | None,
    typer.Option(
        "--weight-column",
        help="A table's column of how much an image counts in training.",
        show_default=False,
    ),
    OF_SOURCE,
]
CropColumnsOption = Annotated[
    str | None,
    typer.Option(
        "--crop-columns",
        metavar="X,Y,W,H",
        help="A table's columns of a box: each row is a crop of its image; none: whole images.",
        show_default=False,
    ),
    OF_SOURCE,
]
SeparatorOption = Annotated[
    str | None,
    typer.Option(
        "--separator",
        help="Between a table's columns: a character, or tab; default: found out.",
        show_default=False,
    ),
    OF_SOURCE,
]


RAY, LOCAL_RAY = "--ray", "local"
RAY_ADDRESS = re.compile(r"local|auto|(ray://)?[^/=]+:\d+")


def with_address(words: list[str]) -> list[str]:
    """Return a command line in which every ``--ray`` has an address, which may be left out."""
    told: list[str] = []
    for word, following in pairwise([*words, ""]):
        has_address = word != RAY or RAY_ADDRESS.fullmatch(following)
        told.append(word if has_address else f"{RAY}={LOCAL_RAY}")
    return told


def part_of(shard: str | None, join: bool) -> Part | None:
    """Return the part that ``--shard`` names; raises ConfigError where ``--join`` is given, too."""
    from ..cache.errors import ConfigError
    from ..extractor.parts import Part

    if shard is not None and join:
        raise ConfigError("--join puts the parts together and takes no --shard: give one of them")
    return None if shard is None else Part.parse(shard)


def workers_of(
    devices: str | None,
    ray: str | None,
    actors: int,
    gpus_per_actor: float | None,
    alone: bool,
) -> WorkerOptions | None:
    """Return the workers that share a run, if any.

    Parameters
    ----------
    devices, ray : str or None
    actors : int
    gpus_per_actor : float or None
    alone : bool
        Whether an option is given that is for one process, such as ``--shard`` or ``--join``.

    Raises
    ------
    ConfigError
        The options contradict each other.
    """
    from ..cache.errors import ConfigError
    from ..extractor.workers.worker_options import WorkerOptions

    if devices is None and ray is None:
        if actors or gpus_per_actor is not None:
            raise ConfigError("--actors and --gpus-per-actor are options of --ray: add --ray")
        return None
    if alone:
        raise ConfigError(
            "--shard, --join and --new-only are for processes that are started one by one; "
            "--devices and --ray cut the source themselves: give one of them"
        )
    return WorkerOptions(devices=devices, ray=ray, actors=actors, gpus_per_actor=gpus_per_actor)


def run_options(
    batch_size: str,
    workers: int,
    max_bad: str | None,
    engine: str = AUTO,
    max_drift: float | None = None,
    retry_failed: bool = False,
) -> RunOptions:
    """Return the options of a run; raises ConfigError for one that cannot be used."""
    from ..extractor.precision.drift import MAX_DRIFT
    from ..extractor.run_options import BadLimit, RunOptions

    return RunOptions(
        workers=workers,
        batch_size=_batch_size(batch_size),
        engine=engine,
        max_drift=MAX_DRIFT if max_drift is None else max_drift,
        retry_failed=retry_failed,
        max_bad=BadLimit.parse(max_bad) if max_bad else None,
    )


def _batch_size(text: str) -> int:
    from ..cache.errors import ConfigError

    if text == AUTO:
        return 0
    if not text.isdigit() or not int(text):
        raise ConfigError(f"--batch-size takes a count from 1, or auto; got {text!r}")
    return int(text)


def is_typed(context: typer.Context, name: str) -> bool:
    """Tell whether a parameter stands on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def refuse_without(context: typer.Context, needed: str, *names: str) -> None:
    """Raise ConfigError for parameters that are typed without the one that they belong to."""
    from ..cache.errors import ConfigError

    options = {str(param.name): param.opts[0] for param in context.command.params}
    for name in names:
        if not context.params[needed] and is_typed(context, name):
            raise ConfigError(f"{options[name]} belongs to {options[needed]}: add that")
