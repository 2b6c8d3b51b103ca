"""projector_config.pbtxt: which files the Embedding Projector shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CONFIG_NAME = "projector_config.pbtxt"
SIGNATURE = "# Written by featx project; the next one replaces it.\n"
UNSAFE = re.compile(r"[^A-Za-z0-9._@/-]+")


@dataclass(frozen=True)
class Embedding:
    """One entry of the projector's list.

    Attributes
    ----------
    name : str
        As the list shows it; unique in a log.
    tensors, metadata, sprite : str
        Files, relative to the log; no sprite where there are no images.
    shape : (int, int)
        Points and features.
    thumbnail_side : int
    """

    name: str
    tensors: str
    metadata: str
    sprite: str
    shape: tuple[int, int]
    thumbnail_side: int

    def to_text(self) -> str:
        """Return the entry in protobuf's text format."""
        lines = [
            f'tensor_name: "{self.name}"',
            f'tensor_path: "{self.tensors}"',
            *(f"tensor_shape: {size}" for size in self.shape),
            f'metadata_path: "{self.metadata}"',
        ]
        if self.sprite:
            side = f"single_image_dim: {self.thumbnail_side}"
            lines.append(f'sprite {{ image_path: "{self.sprite}" {side} {side} }}')
        return "embeddings {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"


def config_text(embeddings: Sequence[Embedding]) -> str:
    """Return the whole file."""
    return SIGNATURE + "".join(embedding.to_text() for embedding in embeddings)


def is_config(path: Path) -> bool:
    """Return whether featx wrote the file at ``path``."""
    with path.open("rb") as file:
        return file.read(len(SIGNATURE)) == SIGNATURE.encode("ascii")


def safe_name(text: str) -> str:
    """Return a name that can stand in the projector's URLs, which it does not encode."""
    return UNSAFE.sub("-", text).strip("-") or "features"
