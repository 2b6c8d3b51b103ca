"""Arrow's file format (Feather version 2): memory-mapped by any Arrow library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from .record import TOP_K, OutputFormat, WriteTable, decoded, writer_for_first


@contextmanager
def open_writer(file: BinaryIO) -> Iterator[WriteTable]:
    """Open an Arrow file; its schema is that of the first table."""
    import pyarrow as pa

    with writer_for_first(lambda schema: pa.ipc.new_file(file, schema)) as writer_of:
        yield lambda table: writer_of(table).write_table(table)


def is_own(path: Path) -> bool:
    """Return whether the schema's metadata is that of predictions."""
    return TOP_K in read_metadata(path)


def read(path: Path, columns: Sequence[str]) -> Any:
    """Read columns of a file."""
    from pyarrow import feather

    return feather.read_table(str(path), columns=list(columns))


def column_names(path: Path) -> list[str]:
    """Return the names of the columns."""
    return list(_schema(path).names)


def read_metadata(path: Path) -> dict[str, str]:
    """Return the schema's metadata; empty where the file is no Arrow file."""
    import pyarrow as pa

    try:
        return decoded(_schema(path).metadata)
    except pa.ArrowInvalid:
        return {}


def _schema(path: Path) -> Any:
    import pyarrow as pa

    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).schema


FORMAT = OutputFormat(
    name="arrow",
    endings=(".arrow", ".feather"),
    holds_lists=True,
    open_writer=open_writer,
    is_own=is_own,
    read=read,
    column_names=column_names,
    read_metadata=read_metadata,
    holds_metadata=True,
)
