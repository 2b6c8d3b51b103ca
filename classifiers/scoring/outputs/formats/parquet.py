"""Parquet, compressed with Zstandard; each group of rows is one row group."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from .record import TOP_K, OutputFormat, WriteTable


@contextmanager
def open_writer(file: BinaryIO) -> Iterator[WriteTable]:
    """Open a Parquet file; its schema is that of the first table."""
    import pyarrow.parquet as pq

    writers: list[Any] = []

    def write(table: Any) -> None:
        if not writers:
            writers.append(pq.ParquetWriter(file, table.schema, compression="zstd"))
        writers[0].write_table(table, row_group_size=len(table) or None)

    yield write
    for writer in writers:
        writer.close()


def is_own(path: Path) -> bool:
    """Return whether the schema's metadata is that of predictions."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return TOP_K.encode() in (pq.read_schema(path).metadata or {})
    except pa.ArrowInvalid:
        return False


FORMAT = OutputFormat(
    name="parquet",
    endings=(".parquet",),
    holds_lists=True,
    open_writer=open_writer,
    is_own=is_own,
)
