"""The backbones that featx has, by name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...cache.errors import UnknownBackboneError
from ...cache.places.file_system import is_url, meant_url
from ...cache.suggest import did_you_mean
from .efficientnet_lite0 import EFFICIENTNET_LITE0
from .pixels import PIXELS
from .record import DATA, BackboneRecord, WeightsFile

DEFAULT_BACKBONE = EFFICIENTNET_LITE0.name
TABLE = DATA / "backbones.json"


def _read_table(path: Path) -> Iterator[BackboneRecord]:
    """Yield the records of ``keras.applications``, as scripts/describe_backbones.py wrote them."""
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    for row in rows:
        row["weights"] = WeightsFile(**row["weights"])
        row["weights_with_top"] = WeightsFile(**row["weights_with_top"])
        row["top_layers"] = tuple(row["top_layers"])
        yield BackboneRecord(**row)


BACKBONES = MappingProxyType(
    {record.name: record for record in (EFFICIENTNET_LITE0, PIXELS, *_read_table(TABLE))},
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
    for record in BACKBONES.values():
        if _letters(record.name) == _letters(name):
            return record
    if url := name if is_url(name) else meant_url(name):
        raise UnknownBackboneError(
            f"{url} is a URL: copy the network to this machine, and name its file or folder"
        )
    raise UnknownBackboneError(
        f"unknown backbone {name!r}. {did_you_mean(name, BACKBONES)} `featx backbones` lists them; "
        "a model in files is named by its path: a .keras, .h5, .onnx or .xml file, or a folder"
    )


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
