"""JSON lines: one object a row, UTF-8."""

from __future__ import annotations

import json
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
    """Open a file of JSON lines."""

    def write(table: Any) -> None:
        file.write(lines_of(table))

    yield write


def is_own(path: Path) -> bool:
    """Return whether the first line is a row of predictions; a file without rows is empty."""
    line = first_line(path)
    try:
        row = json.loads(line) if line else None
    except ValueError:
        return False
    names = tuple(row) if isinstance(row, dict) else ()
    return not line or (names[:3], names[-2:]) == (FIRST_COLUMNS, LAST_COLUMNS)


def lines_of(table: Any) -> bytes:
    """Return one JSON object a row, put together column by column."""
    import pyarrow as pa
    import pyarrow.compute as pc

    pieces: list[Any] = []
    for name in table.column_names:
        opening = "{" if not pieces else ", "
        pieces.append(pa.scalar(f"{opening}{json.dumps(name, ensure_ascii=False)}: "))
        pieces.append(_json_texts(table.column(name)))
    pieces.append(pa.scalar("}\n"))
    lines = pc.binary_join_element_wise(*pieces, pa.scalar(""))
    return "".join(lines.to_pylist()).encode("utf-8")


def _json_texts(column: Any) -> Any:
    """Return each value of a column as JSON text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_list(column.type):
        length = int(pc.max(pc.list_value_length(column)).as_py() or 0)
        parts = [_json_texts(pc.list_element(column, i)) for i in range(length)]
        joined = pc.binary_join_element_wise(*parts, pa.scalar(", "))
        listed = pc.binary_join_element_wise(pa.scalar("["), joined, pa.scalar("]"), pa.scalar(""))
        return pc.if_else(column.is_valid(), listed, pa.scalar("null"))
    if pa.types.is_floating(column.type) or pa.types.is_boolean(column.type):
        texts = column.cast(pa.string())
    else:
        encode = json.encoder.encode_basestring
        encoded = pc.dictionary_encode(column.combine_chunks())
        words = [None if w is None else encode(w) for w in encoded.dictionary.to_pylist()]
        texts = pa.array(words, pa.string()).take(encoded.indices)
    return pc.fill_null(texts, "null")


def read(path: Path, columns: Sequence[str]) -> Any:
    """Read columns of a file, as texts."""
    import pyarrow as pa
    from pyarrow import json as arrow_json

    schema = pa.schema([(name, pa.string()) for name in columns])
    if not first_line(path):
        return schema.empty_table()
    options = arrow_json.ParseOptions(schema, unexpected_field_behavior="ignore")
    return arrow_json.read_json(path, parse_options=options)


def column_names(path: Path) -> list[str]:
    """Return the names of the columns; a file without rows has none."""
    return list(json.loads(first_line(path) or b"{}"))


FORMAT = OutputFormat(
    name="jsonl",
    endings=(".jsonl",),
    holds_lists=True,
    open_writer=open_writer,
    is_own=is_own,
    read=read,
    column_names=column_names,
    read_metadata=read_attribute,
    holds_metadata=False,
)
