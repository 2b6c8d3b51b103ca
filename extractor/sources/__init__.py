"""Sources of images, and the one door to them."""

from __future__ import annotations

from pathlib import Path

from ...cache.errors import SourceFormatError
from . import numpy_file, pixel_table, table
from .base import Raw, Source, digest_of
from .files import Files, locate
from .folder import FolderSource
from .idx import find_idx, open_idx
from .numpy_file import open_numpy
from .pixel_table import is_pixel_header, open_pixel_tables
from .sample import SAMPLE, open_sample, write_sample
from .shards import ENDING as TAR
from .shards import ShardSource
from .table import TableSource, read_header

__all__ = ["SAMPLE", "Raw", "Source", "digest_of", "open_sample", "open_source", "write_sample"]


def open_source(place: str | Path | Source) -> Source:
    """Open the source at ``place``.

    Parameters
    ----------
    place : path, URL or Source
        A folder of images (flat, by class, or by split and class), a table (``.csv``, ``.tsv``,
        ``.parquet``), arrays (``.npz``, ``.npy``, IDX, a CSV of pixels), WebDataset shards
        (``.tar``, or a folder of them); any of these behind a URL that fsspec knows, such as
        ``s3://``; or the word ``sample``.

    Raises
    ------
    SourceNotFoundError
        There is nothing at ``place``.
    SourceFormatError
        There is something, but no source that featx reads.
    """
    if not isinstance(place, str | Path):
        return place
    if place == SAMPLE and not Path(place).exists():
        return open_sample()
    files, name = locate(place)
    if name is not None:
        return _open_file(files, name, f"{files.location}/{name}")
    return _open_folder(files)


def _open_file(files: Files, name: str, location: str) -> Source:
    lower = name.lower()
    if find_idx([name]):
        return open_idx(files, [name], location)
    if lower.endswith(numpy_file.ENDINGS):
        return open_numpy(files, name, location)
    if lower.endswith(TAR):
        return ShardSource(files, [name], location)
    if lower.endswith(pixel_table.ENDINGS) and is_pixel_header(read_header(files, name)):
        return open_pixel_tables(files, [name], location)
    if lower.endswith(table.ENDINGS):
        return TableSource(files, name)
    raise SourceFormatError(
        f"{location} is a file that featx cannot read as a source. Expected a folder of images, a "
        "table (.csv, .tsv, .parquet), arrays (.npz, .npy, …images-idx3-ubyte) or a .tar shard"
    )


def _open_folder(files: Files) -> Source:
    names = files.top()
    idx = find_idx(names)
    if idx:
        return open_idx(files, idx, files.location)
    shards = [name for name in names if name.lower().endswith(TAR)]
    if shards:
        return ShardSource(files, shards, files.location)
    tables = sorted(name for name in names if name.lower().endswith(pixel_table.ENDINGS))
    if tables and all(is_pixel_header(read_header(files, name)) for name in tables):
        return open_pixel_tables(files, tables, files.location)
    return FolderSource(files)
