"""Sources of images, and the one door to them."""

from __future__ import annotations

from pathlib import Path

from ...cache.errors import SourceFormatError, SourceNotFoundError
from .base import Raw, Source, digest_of
from .folder import FolderSource
from .idx import IdxSource, find_idx
from .sample import SAMPLE, open_sample, write_sample

__all__ = ["SAMPLE", "Raw", "Source", "digest_of", "open_sample", "open_source", "write_sample"]


def open_source(place: str | Path | Source) -> Source:
    """Open the source at ``place``: a folder, an IDX file or folder, or the word ``sample``.

    Raises
    ------
    SourceNotFoundError
        There is nothing at ``place``.
    SourceFormatError
        There is something, but no source that featx reads.
    """
    if not isinstance(place, str | Path):
        return place
    path = Path(place)
    if place == SAMPLE and not path.exists():
        return open_sample()
    if not path.exists():
        raise SourceNotFoundError(
            f"{place} does not exist. Expected a folder of images, a folder with one subfolder per "
            f"class, an IDX file or folder, or the word `{SAMPLE}` for the bundled sample"
        )
    if find_idx(path):
        return IdxSource(path)
    if path.is_dir():
        return FolderSource(path)
    raise SourceFormatError(
        f"{place} is a file that featx cannot read as a source. Expected a folder of images or an "
        "IDX file (…images-idx3-ubyte, .gz or not)"
    )
