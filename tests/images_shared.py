"""Small images and shards that several test modules make."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

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
