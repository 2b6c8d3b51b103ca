"""CSV: texts in double quotes, UTF-8, one header line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from .record import (
    FIRST_COLUMNS,
    LAST_COLUMNS,
    OutputFormat,
    WriteTable,
    first_line,
    read_attribute,
)


@contextmanager
def open_writer(file: BinaryIO) -> Iterator[WriteTable]:
    """Open a CSV file; the header comes with the first table."""
    from pyarrow import csv

    has_header = False

    def write(table: Any) -> None:
        nonlocal has_header
        csv.write_csv(table, file, csv.WriteOptions(include_header=not has_header))
        has_header = True

    yield write


def is_own(path: Path) -> bool:
    """Return whether the header is that of predictions, in featx' quotes.

    A table that another program saved again has other quotes, and is not recognised.
    """
    line, quoted = first_line(path), [f'"{name}"' for name in (*FIRST_COLUMNS, *LAST_COLUMNS)]
    first, last = ",".join(quoted[:3]).encode(), ",".join(quoted[3:]).encode()
    return line.startswith(first + b",") and line.endswith(b"," + last + b"\n")


def read(path: Path, columns: Sequence[str]) -> Any:
    """Read columns of a file, as texts."""
    import pyarrow as pa
    from pyarrow import csv

    as_texts = csv.ConvertOptions(
        include_columns=list(columns), column_types=dict.fromkeys(columns, pa.string())
    )
    return csv.read_csv(path, None, csv.ParseOptions(newlines_in_values=True), as_texts)


def column_names(path: Path) -> list[str]:
    """Return the names of the columns."""
    from pyarrow import csv

    with csv.open_csv(path, None, csv.ParseOptions(newlines_in_values=True)) as reader:
        return list(reader.schema.names)


FORMAT = OutputFormat(
    name="csv",
    endings=(".csv",),
    holds_lists=False,
    open_writer=open_writer,
    is_own=is_own,
    read=read,
    column_names=column_names,
    read_metadata=read_attribute,
    holds_metadata=False,
)
