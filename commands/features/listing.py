"""featx backbones and featx sample: what comes with featx."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common import JsonOption, answer, draw_table, human_count

if TYPE_CHECKING:
    from rich.console import Console


def backbones(as_json: JsonOption = False) -> None:
    """List the backbones, their cost, and whether their ImageNet weights are on this machine.

    Example: featx backbones
    """
    from ...extractor.backbones import BACKBONES, weights_present

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

    def draw(console: Console) -> None:
        headers = ("name", "features", "size", "least", "M params", "GMACs", "weights")
        draw_table(console, headers, [_row(record) for record in records])
        console.print("Size and least: sides in pixels, the default one and the smallest.")
        console.print("GMACs: thousands of millions of multiply-adds for one image of that size.")

    answer(as_json, records, draw)


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
