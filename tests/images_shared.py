"""Small images and shards that several test modules make."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image


def png(value: int) -> bytes:
    """A PNG of one colour, told apart by ``value``."""
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (value, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def write_shard(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    """Write a tar of files by name and content."""
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def touch(path: Path, value: int = 0) -> Path:
    """Write a small PNG at ``path``, in folders that are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(value))
    return path


def make_photos(root: Path, n_per_class: int = 8) -> Path:
    """Write a class folder of noisy coloured pictures in three formats."""
    rng = np.random.default_rng(0)
    colours = {"blue": (40, 60, 200), "green": (40, 180, 60), "red": (200, 50, 40)}
    for name, colour in colours.items():
        (root / name).mkdir(parents=True)
        for i in range(n_per_class):
            pixels = rng.normal(colour, 25, (40, 48, 3)).clip(0, 255).astype(np.uint8)
            ending = ("png", "jpg", "bmp")[i % 3]
            Image.fromarray(pixels).save(root / name / f"{i:02d}.{ending}")
    return root
