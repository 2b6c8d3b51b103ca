"""featx model and featx export: what a model file says of itself, and how it leaves featx."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common import (
    DEFAULT_CACHE,
    UNDEFINED,
    CacheOption,
    JsonOption,
    OverwriteOption,
    answer,
    draw_table,
    human_bytes,
    table_metrics,
)
from ..options import WeightsOption

if TYPE_CHECKING:
    from rich.console import Console

    from ...classifiers import Model

SHOWN_NAMES = 20

app = typer.Typer(
    no_args_is_help=True, help="Look into a model file, and let it bring its network."
)


BUNDLE = "bundle"


@app.callback()
def group() -> None:
    """Model files: look into one, let it bring its network."""


@app.command()
def info(
    file: Annotated[Path, typer.Argument(help="A model file, as `featx fit` writes it.")],
    as_json: JsonOption = False,
) -> None:
    """Show all that a model file holds: features, classes, head, scores, origin.

    Nothing of the file is run, whoever made it.

    Example: featx model info model.featx
    """
    from ...classifiers import load_model

    model = load_model(file)
    data = _data(model, file)
    answer(as_json, data, lambda console: _draw(console, data))


@app.command()
def pack(
    file: Annotated[Path, typer.Argument(help="A model file, as `featx fit` writes it.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Another file to write; default: FILE itself.", show_default=False
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    weights: WeightsOption = "imagenet",
    as_json: JsonOption = False,
) -> None:
    """Put the converted network into a model file, for machines without TensorFlow.

    Such a file is scored with OpenVINO alone; the weights need not be there either.

    Example: featx model pack model.featx
    """
    from ...classifiers.models.pack import pack_model

    report = pack_model(file, out, weights=weights, overwrite=overwrite)

    def draw(console: Console) -> None:
        console.print(
            f"{report.out}: {human_bytes(report.n_bytes)}, of which the network "
            f"{human_bytes(report.network_bytes)}"
        )
        console.print(
            f"{report.engine} in {report.drift.precision}, against {report.reference}: "
            f"{report.drift.describe(images='calibration pictures')}"
        )

    answer(as_json, asdict(report), draw)


@app.command()
def unpack(
    file: Annotated[Path, typer.Argument(help="A model file that `featx model pack` wrote.")],
    as_json: JsonOption = False,
) -> None:
    """Let extractions on this machine use the network that a model file brings.

    Scoring needs no unpacking. Unpack only models of people whom you trust: the network decides the
    features of all later extractions with its backbone.

    Example: featx model unpack model.featx
    """
    from ...classifiers.models.pack import unpack_network

    folder = unpack_network(file)
    answer(
        as_json, {"folder": folder}, lambda console: console.print(f"The network is in {folder}")
    )


def export(
    model: Annotated[Path, typer.Argument(help="A model file, as `featx fit` writes it.")],
    to: Annotated[
        str,
        typer.Option(
            help="{graph_formats}; or bundle: the model file with its network, as `featx model "
            "pack` writes it, to packed.featx."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Default: `model` with the format's ending.", show_default=False
        ),
    ] = None,
    refit: Annotated[
        Path | None,
        typer.Option(
            help="Fit the head again on cached float32 features, and write that model here.",
            show_default=False,
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    weights: WeightsOption = "imagenet",
    cache: CacheOption = DEFAULT_CACHE,
    as_json: JsonOption = False,
) -> None:
    """Write a model as one graph from uint8 RGB images to class probabilities.

    The graph holds preprocessing, backbone and head; its metadata the labels. What was written is
    run on images of the bundled sample and must agree with `featx score` within 0.0001.

    Example: featx export model.featx --to onnx
    """
    if to == BUNDLE:
        if refit is not None:
            raise typer.BadParameter("a bundle is the model as it is: leave --refit out")
        pack(model, out or Path("packed.featx"), overwrite, weights, as_json)
        return
    from ...classifiers import export_model

    report = export_model(
        model, to, out, weights=weights, refit=refit, cache=cache, overwrite=overwrite
    )

    def draw(console: Console) -> None:
        console.print(
            f"{report.format}: {report.out} ({human_bytes(report.n_bytes)}), {report.seconds:.1f} s"
        )
        console.print(
            f"Run on {report.n_checked} sample images: probabilities agree with featx score "
            f"within {report.difference:.1e}"
        )
        if report.drift is not None:
            console.print(
                f"The graph computes in float32, featx score in {report.precision} as the model "
                f"was trained: with that, the probabilities differ by up to {report.drift:.1e}"
            )
            console.print(
                "For a head trained on what the graph computes: featx extract SOURCE --precision "
                "float32, then this command with --refit float32.featx"
            )
        if refit is not None:
            console.print(f"Head fitted again on float32 features: {refit}")

    answer(as_json, asdict(report), draw)


def _data(model: Model, file: Path) -> dict[str, Any]:
    from ...classifiers.models.model_file import model_digest
    from ...classifiers.models.network_entry import network_document

    arrays = model.head.get_arrays()
    return {
        "file": str(file),
        "n_bytes": file.stat().st_size,
        "digest": model_digest(model),
        "features": {**json.loads(model.spec.to_json()), "fingerprint": model.spec.fingerprint},
        "class_names": list(model.class_names),
        "head": {
            "name": model.head_name,
            "params": model.head.get_json_params(),
            "n_features": int(model.head.n_features_in_),
            "arrays": {k: f"{a.dtype} {tuple(a.shape)}" for k, a in arrays.items()},
        },
        "scores": list(model.scores),
        "data_digest": model.data_digest,
        "split": dict(model.split),
        "origin": dict(model.origin),
        "decision": dict(model.decision),
        "network": network_document(model.network) if model.network else None,
    }


def _draw(console: Console, data: Mapping[str, Any]) -> None:
    from ...cache.joined.joined_spec import JOINED

    names, head = data["class_names"], data["head"]
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    console.print(f"{_safe(data['file'])}: {human_bytes(data['n_bytes'])}")
    _section(console, "made", data["origin"])
    features = data["features"]
    for number, part in enumerate(features.get(JOINED, ()), 1):
        _section(console, f"features, set {number} of {len(features[JOINED])}", part)
    _section(console, "features", {k: v for k, v in features.items() if k != JOINED})
    shown = ", ".join(_safe(name) for name in names[:SHOWN_NAMES])
    console.print(f"classes ({len(names)})\n  {shown}{more}")
    console.print(f"head: {_safe(head['name'])} on {head['n_features']} features")
    _section(console, "  parameters", head["params"])
    _section(console, "  arrays", head["arrays"])
    _section(console, "data", {"digest": data["data_digest"], **_prefixed(data["split"])})
    if data["decision"]:
        _section(console, "decides by thresholds", data["decision"])
    if data["network"]:
        made = {"format": data["network"]["format"], **data["network"]["made"]}
        _section(console, "brings its converted network", made)
    console.print("scores")
    rows = [_score_row(score) for score in data["scores"]]
    titles = [metric.title for metric in table_metrics()]
    headers = ("  split", "rows", *titles, "recall of the rarest class", "fit s")
    draw_table(console, headers, rows)
    console.print(f"digest of the model: {data['digest']}")


def _prefixed(split: Mapping[str, Any]) -> dict[str, Any]:
    return {f"split {name}": value for name, value in split.items()}


def _section(console: Console, title: str, items: Mapping[str, Any]) -> None:
    console.print(title)
    indent = " " * (len(title) - len(title.lstrip()) + 2)
    for name, value in items.items():
        text = " ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        console.print(f"{indent}{_safe(name)}: {_safe(text)}")


def _score_row(score: Mapping[str, Any]) -> tuple[str, ...]:
    values = [score.get("metrics", {}).get(metric.name) for metric in table_metrics()]
    cells = [UNDEFINED if value is None else f"{value:.4f}" for value in values]
    seconds = f"{score.get('fit_seconds', 0):.2f}"
    return (
        f"  {_safe(score.get('split'))}",
        str(score.get("n_samples")),
        *cells,
        _rarest(score),
        seconds,
    )


def _rarest(score: Mapping[str, Any]) -> str:
    """Return recall, support and name of the rarest class; a dash in files of an earlier featx."""
    rarest = score.get("rarest")
    if not isinstance(rarest, dict):
        return UNDEFINED
    recall, rows = rarest.get("recall"), rarest.get("rows")
    share = f"{recall:.2f}" if isinstance(recall, float) else UNDEFINED
    return f"{share} of {rows} {_safe(rarest.get('name'))}"


def _safe(value: Any) -> str:
    """Return a text of a stranger's file without what a terminal would obey."""
    text = str(value)
    return text if text.isprintable() else repr(text)[1:-1]
