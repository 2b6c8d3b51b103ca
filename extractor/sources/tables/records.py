"""Tables of records: JSON lines, JSON lists and Parquet."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any

from ....cache.errors import SourceFormatError
from ..files.files import Files, buffered
from .columns import Columns

JSON_ENDINGS = (".jsonl", ".ndjson", ".jsonl.gz", ".json")
PARQUET_ENDINGS = (".parquet", ".pq")
ENDINGS = (*JSON_ENDINGS, *PARQUET_ENDINGS)


def read_records(files: Files, name: str) -> Columns:
    """Read a table of records; numbers and lists keep their type.

    Raises
    ------
    SourceFormatError
        The file is damaged, or holds something else than records.
    """
    where = f"{files.location}/{name}"
    if name.lower().endswith(PARQUET_ENDINGS):
        return _read_parquet(files, name, where)
    return _read_json(files, name, where)


def _read_parquet(files: Files, name: str, where: str) -> Columns:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with files.open(name) as file:
            table = parquet.read_table(file)
    except (OSError, pa.ArrowException) as error:
        raise SourceFormatError(f"{where} is not a readable table ({error})") from error
    images = [f.name for f in table.schema if pa.types.is_struct(f.type) or _is_bytes(f, pa)]
    if images and table.num_columns <= len(images) + 1:
        raise SourceFormatError(
            f"{where} holds images themselves in its column {images[0]!r}. "
            "Expected the paths of image files: write the images to files, or to tar shards"
        )
    return Columns([name.strip() for name in table.column_names], table.columns, where)


def _is_bytes(field: Any, pa: Any) -> bool:
    return bool(pa.types.is_large_binary(field.type) or pa.types.is_binary(field.type))


def _read_json(files: Files, name: str, where: str) -> Columns:
    import pyarrow as pa

    try:
        content = buffered(files, name).getvalue()
        if name.lower().endswith(".gz"):
            content = gzip.decompress(content)
        text = content.decode(json.detect_encoding(content))
        records = list(_records(text.removeprefix("\ufeff")))
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise SourceFormatError(f"{where} is not a readable table ({error})") from error
    names = list(dict.fromkeys(key for record in records for key in record))
    values = [
        pa.chunked_array([pa.array([_cell(r.get(key)) for r in records], pa.binary())])
        for key in names
    ]
    return Columns([name.strip() for name in names], values, where)


def _records(text: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON list, or of the lines."""
    try:
        whole = json.loads(text)
        records = whole if isinstance(whole, list) else [whole]
    except ValueError:
        lines = enumerate(text.split("\n"), 1)
        records = [_line(number, line) for number, line in lines if line.strip()]
    for number, record in enumerate(records, 1):
        if not isinstance(record, dict):
            raise ValueError(f"record {number} is no object with a value for each column")
        if any(map(_is_list_of_objects, record.values())):
            raise ValueError(f"record {number} holds lists of objects, as COCO's annotations do")
        yield record


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _line(number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from error


def _cell(value: Any) -> bytes | None:
    if value is None:
        return None
    text = value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and value.is_integer():
        text = str(int(value))
    return text.encode("utf-8", "surrogateescape")
