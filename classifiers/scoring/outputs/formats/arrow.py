"""Arrow's file format (Feather version 2): memory-mapped by any Arrow library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from .record import TOP_K, OutputFormat, WriteTable


@contextmanager
def open_writer(file: BinaryIO) -> Iterator[WriteTable]:
    """Open an Arrow file; its schema is that of the first table."""
    import pyarrow as pa

    writers: list[Any] = []

    def write(table: Any) -> None:
        if not writers:
            writers.append(pa.ipc.new_file(file, table.schema))
        writers[0].write_table(table)

    yield write
    for writer in writers:
        writer.close()


def is_own(path: Path) -> bool:
    """Return whether the schema's metadata is that of predictions."""
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as file:
            return TOP_K.encode() in (pa.ipc.open_file(file).schema.metadata or {})
    except pa.ArrowInvalid:
        return False


FORMAT = OutputFormat(
    name="arrow",
    endings=(".arrow", ".feather"),
    holds_lists=True,
    open_writer=open_writer,
    is_own=is_own,
)
