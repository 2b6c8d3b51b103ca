"""featx backbones and featx sample: what comes with featx, and models in files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common import JsonOption, answer, draw_table, human_count
from ..interruption import SOME_FILES, leaves
from ..options import PreprocessOption
from .named_backbones import add_to_project, check_name, project_names

if TYPE_CHECKING:
    from rich.console import Console

    from ...extractor.backbones.graphs import GraphSummary
    from ...extractor.backbones.graphs.graph import Shape


def backbones(
    path: Annotated[
        Path | None,
        typer.Argument(help="A model in files to describe, or to add.", show_default=False),
    ] = None,
    add: Annotated[
        str | None,
        typer.Option(
            "--add",
            metavar="NAME",
            help="Give the model at PATH a name in featx.toml, for --backbone NAME.",
            show_default=False,
        ),
    ] = None,
    machine: Annotated[
        bool, typer.Option("--machine", help="Keep the name for this machine, in FEATX_HOME.")
    ] = False,
    preprocess: PreprocessOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the backbones, or describe one in files: what it takes and gives, and what is missing.

    The list says what each costs, and whether its ImageNet weights are on this machine.

    Example: featx backbones
    """
    from ...cache.errors import ConfigError

    if path is None:
        if add is not None:
            raise ConfigError(f"--add {add} needs the model: featx backbones --add {add} PATH")
        _list_backbones(as_json)
        return
    from ...extractor.backbones.graphs import summarise

    summary = summarise(path, preprocess)
    if add is not None:
        _add(add, path, preprocess, machine, as_json)
        return
    answer(as_json, asdict(summary), lambda console: _draw_summary(console, summary))


def _list_backbones(as_json: bool) -> None:
    from ...extractor.backbones import BACKBONES, weights_present
    from ...extractor.backbones.graphs.remembered import machine_names

    records = [
        {
            "name": record.name,
            "features": record.n_features,
            "image_size": record.image_size,
            "min_size": record.min_size,
            "n_params": record.n_params,
            "gmacs": record.gmacs,
            "preprocess": record.preprocess,
            "layer": record.layer,
            "licence": record.licence,
            "weights": _state(record.is_embedded, weights_present(record)),
        }
        for record in BACKBONES.values()
    ]
    named = {**machine_names(), **project_names()}

    def draw(console: Console) -> None:
        headers = ("name", "features", "size", "least", "M params", "GMACs", "weights")
        draw_table(console, headers, [_row(record) for record in records])
        console.print("Size and least: sides in pixels, the default one and the smallest.")
        console.print("GMACs: thousands of millions of multiply-adds for one image of that size.")
        for name, entry in named.items():
            console.print(f"{name}: {entry.path}")

    own = [
        {"name": name, "path": entry.path, "preprocess": entry.preprocess}
        for name, entry in named.items()
    ]
    answer(as_json, [*records, *own], draw)


def _add(name: str, path: Path, preprocess: str | None, machine: bool, as_json: bool) -> None:
    from ...extractor.backbones.graphs.remembered import NamedBackbone, add_machine_name

    check_name(name)
    if machine:
        file = add_machine_name(name, NamedBackbone(str(path.absolute()), preprocess))
    else:
        file = add_to_project(name, path, preprocess)
    data = {"name": name, "path": str(path), "file": str(file)}
    text = f"{name} is {path}, by {file}. Next: featx extract --backbone {name}"
    answer(as_json, data, lambda console: console.print(text))


def _draw_summary(console: Console, summary: GraphSummary) -> None:
    rows = [("files", ", ".join(map(str, summary.files)))]
    rows += [(f"input {name}", _sides(shape)) for name, shape in summary.inputs.items()]
    rows += [(f"output {name}", _sides(shape)) for name, shape in summary.outputs.items()]
    if summary.layer:
        rows.append(("features", f"{summary.n_features} of {summary.layer}, pool {summary.pool}"))
        rows.append(("parameters", human_count(summary.n_params)))
    if summary.gmacs:
        rows.append(("GMACs", f"{summary.gmacs:.3g} (thousands of millions of multiply-adds)"))
    if summary.image_size:
        rows.append(("image", "×".join(map(str, summary.image_size))))
    if summary.preprocess:
        rows.append(("preprocess", f"{summary.preprocess}, by {summary.origin}"))
        rows.append(("resize", f"{summary.resize}, {summary.interpolation}"))
    if summary.last_values:
        rows.append(("last values", ", ".join(summary.last_values)))
    console.print(summary.name)
    for key, value in rows:
        console.print(f"  {key}: {value}")
    for text in summary.remarks:
        console.print(f"  note: {text}")
    for text in summary.missing:
        console.print(f"  missing: {text}")


def _sides(shape: Shape) -> str:
    """Return the sides of a shape; a question mark stands for one that is free."""
    return " × ".join("?" if side is None else str(side) for side in shape)


@leaves(SOME_FILES)
def sample(
    folder: Annotated[Path, typer.Argument(help="The new folder.")],
    split: Annotated[str, typer.Option(help="train (2,000 images) or test (500).")] = "test",
    as_json: JsonOption = False,
) -> None:
    """Write the bundled sample as PNG files, one subfolder per class.

    Example: featx sample photos/
    """
    from ...cache.errors import ConfigError
    from ...extractor.sources import write_sample

    if split not in ("train", "test"):
        raise ConfigError(f"--split is train or test, got {split!r}")
    n_images = write_sample(folder, split)

    def draw(console: Console) -> None:
        console.print(f"{human_count(n_images)} images in {folder}")

    answer(as_json, {"folder": str(folder), "n_images": n_images}, draw)


def _state(embedded: bool, present: bool) -> str:
    if embedded:
        return "embedded"
    return "on this machine" if present else "to download"


def _row(record: dict[str, Any]) -> tuple[str, ...]:
    counts = [str(record[key]) for key in ("features", "image_size", "min_size")]
    cost = f"{record['n_params'] / 1e6:.1f}", f"{record['gmacs']:.2f}"
    return (record["name"], *counts, *cost, record["weights"])
