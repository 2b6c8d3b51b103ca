"""The backbones that featx knows: one frozen record each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...cache.errors import UnknownBackboneError
from ...cache.suggest import did_you_mean

DEFAULT_BACKBONE = "efficientnet_lite0"
OURS = "featx"
TABLE = Path(__file__).resolve().parents[1] / "data" / "backbones.json"


@dataclass(frozen=True)
class WeightsFile:
    """A published weights file.

    Attributes
    ----------
    name : str
        Its name in Keras' cache folder.
    url : str
    checksum : str
        Its published MD5 or SHA-256, hexadecimal, or empty where none is published.
    """

    name: str
    url: str
    checksum: str = ""

    @property
    def algorithm(self) -> str:
        """Which sum ``checksum`` is, told by its length."""
        return "sha256" if len(self.checksum) == 64 else "md5"


@dataclass(frozen=True, kw_only=True)
class BackboneRecord:
    """What featx knows of one backbone.

    Attributes
    ----------
    name : str
    builder : str
        ``module:function`` that builds it: of ``keras.applications``, or of ``featx``; empty for a
        model that a person brings.
    preprocess : str
        How its publisher turned 8-bit RGB into its input (a key of ``PREPROCESS``); ``none`` also
        where the network does so itself in its first layers.
    image_size, min_size : int
        Side in pixels of the square that it was trained on, and the least that it takes.
    shape : (int or None, int or None)
        Height and width that it is bound to, where a model file fixes them.
    layer : str
        The layer of the default features: the last map before its top, average-pooled.
    pooling : str or None
        Handed to the builder where the published network does more after its pooling (ConvNeXt
        normalises there), so that ``layer`` already gives vectors.
    n_features : int
        Width of the default features.
    n_params : int
        Weights without the top.
    gmacs : float
        Multiply-adds of its convolutions and dense layers for one image of ``image_size``, without
        the top, in thousands of millions.
    weights, weights_with_top : WeightsFile or None
        Published ImageNet weights; None where they ship with featx.
    top_layers : tuple of str
        Layers that exist only with the top.
    top_size : int or None
        The only image size at which the top exists, where it is bound to one.
    licence : str
        Of the weights.
    path : Path or None
        The file of a model that a person brings.
    pool : str
        How the map of its default layer becomes a vector.
    has_weights : bool
        False where there is nothing to load.
    """

    name: str
    builder: str
    preprocess: str
    image_size: int
    min_size: int
    layer: str
    n_features: int
    n_params: int
    gmacs: float
    weights: WeightsFile | None
    weights_with_top: WeightsFile | None
    top_layers: tuple[str, ...]
    licence: str
    pooling: str | None = None
    top_size: int | None = None
    shape: tuple[int | None, int | None] = (None, None)
    path: Path | None = None
    pool: str = "avg"
    has_weights: bool = True

    @property
    def is_embedded(self) -> bool:
        """Whether the weights ship with featx."""
        return self.builder.startswith(f"{OURS}:")


_EMBEDDED = BackboneRecord(
    name="efficientnet_lite0",
    builder=f"{OURS}:efficientnet_lite0",
    preprocess="lite",
    image_size=224,
    min_size=32,
    layer="top_activation",
    n_features=1280,
    n_params=3_413_024,
    gmacs=0.38,
    weights=None,
    weights_with_top=None,
    top_layers=("avg_pool", "logits", "predictions"),
    licence="Apache-2.0",
)

_PIXELS = BackboneRecord(
    name="pixels",
    builder=f"{OURS}:pixels",
    preprocess="none",
    image_size=32,
    min_size=1,
    layer="pixels",
    pool="flatten",
    n_features=32 * 32 * 3,
    n_params=0,
    gmacs=0.0,
    weights=None,
    weights_with_top=None,
    top_layers=(),
    licence="",
    has_weights=False,
)


def _read_table(path: Path) -> Iterator[BackboneRecord]:
    """Yield the records of ``keras.applications``, as scripts/describe_backbones.py wrote them."""
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    for row in rows:
        row["weights"] = WeightsFile(**row["weights"])
        row["weights_with_top"] = WeightsFile(**row["weights_with_top"])
        row["top_layers"] = tuple(row["top_layers"])
        yield BackboneRecord(**row)


BACKBONES = MappingProxyType(
    {record.name: record for record in (_EMBEDDED, _PIXELS, *_read_table(TABLE))},
)


def find_backbone(name: str) -> BackboneRecord:
    """Return the record of a backbone; case, dashes and underscores do not matter.

    Raises
    ------
    UnknownBackboneError
        There is none of that name; the message lists close matches.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    for known, record in BACKBONES.items():
        if _letters(known) == _letters(name):
            return record
    raise UnknownBackboneError(
        f"unknown backbone {name!r}. {did_you_mean(name, BACKBONES)} `featx backbones` lists them; "
        "your own Keras model is named by its file, model.keras or model.h5"
    )


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
