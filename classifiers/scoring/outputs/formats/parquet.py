"""Parquet, compressed with Zstandard; each group of rows is one row group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from .record import TOP_K, OutputFormat, WriteTable, decoded, writer_for_first


@contextmanager
def open_writer(file: BinaryIO) -> Iterator[WriteTable]:
    """Open a Parquet file; its schema is that of the first table."""
    import pyarrow.parquet as pq

    with writer_for_first(lambda s: pq.ParquetWriter(file, s, compression="zstd")) as writer_of:
        yield lambda table: writer_of(table).write_table(table, row_group_size=len(table) or None)


def is_own(path: Path) -> bool:
    """Return whether the schema's metadata is that of predictions."""
    return TOP_K in read_metadata(path)


def read(path: Path, columns: Sequence[str]) -> Any:
    """Read columns of a file."""
    import pyarrow.parquet as pq

    return pq.read_table(path, columns=list(columns))


def column_names(path: Path) -> list[str]:
    """Return the names of the columns."""
    import pyarrow.parquet as pq

    return list(pq.read_schema(path).names)


def read_metadata(path: Path) -> dict[str, str]:
    """Return the schema's metadata; empty where the file is no Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return decoded(pq.read_schema(path).metadata)
    except pa.ArrowInvalid:
        return {}


FORMAT = OutputFormat(
    name="parquet",
    endings=(".parquet",),
    holds_lists=True,
    open_writer=open_writer,
    is_own=is_own,
    read=read,
    column_names=column_names,
    read_metadata=read_metadata,
    holds_metadata=True,
)
