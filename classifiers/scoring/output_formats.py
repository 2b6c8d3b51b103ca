"""The forms that predictions take on disk: Parquet, CSV, JSON lines; one file or a folder."""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...cache.errors import CacheWriteError, ConfigError
from ...cache.format.atomic import atomic_path
from ...cache.suggest import did_you_mean
from .predictions import TOP_K

FORMATS = ("parquet", "csv", "jsonl")
GROUP_ROWS = 1 << 17
GROUP_BYTES = 64 << 20
FOLDER_ROWS = 1 << 20
PART = re.compile(r"part-\d{5,}\.(parquet|csv|jsonl)")


@dataclass(frozen=True)
class Target:
    """Where predictions go and in which form.

    Attributes
    ----------
    path : Path
    format : str
        One of ``FORMATS``.
    is_folder : bool
        Files ``part-00000.<format>`` of up to a million rows each, in order.
    """

    path: Path
    format: str
    is_folder: bool

    @classmethod
    def parse(cls, out: str | Path, format: str | None = None) -> Target:
        """Read the form from the ending of ``out``; without an ending it is a folder.

        Raises
        ------
        ConfigError
            The ending or the format is unknown, or what is there must not be replaced.
        """
        path = Path(out)
        if format is not None and format not in FORMATS:
            raise ConfigError(f"unknown format {format!r}. {did_you_mean(format, FORMATS)}")
        ending = path.suffix.removeprefix(".")
        is_folder = not ending or str(out).endswith("/")
        is_folder = is_folder or (path.is_dir() and ending not in FORMATS)
        if not is_folder and ending not in FORMATS:
            raise ConfigError(
                f"--out {out}: the ending says the format, one of "
                f"{', '.join('.' + name for name in FORMATS)}; a name without an ending is a "
                "folder of part files (--format chooses their form)"
            )
        if not is_folder and format not in (None, ending):
            raise ConfigError(f"--out {out} and --format {format} contradict each other")
        target = cls(path, format or (FORMATS[0] if is_folder else ending), is_folder)
        target._check_place()
        return target

    def _check_place(self) -> None:
        if self.path.is_dir() and not self.is_folder:
            raise ConfigError(f"--out {self.path} is a folder: name a file, or end it with /")
        if self.is_folder and self.path.exists() and not self.path.is_dir():
            raise ConfigError(f"--out {self.path} is a file, expected a folder or a new name")
        others = [p.name for p in _listing(self.path) if not PART.fullmatch(p.name)]
        if self.is_folder and others:
            raise ConfigError(
                f"--out {self.path} holds other files ({others[0]}): name a new folder"
            )

    @property
    def work_folder(self) -> Path:
        """Where the parts of a run that is not finished wait, beside the result."""
        return self.path.with_name(f"{self.path.name}.parts")


def _listing(path: Path) -> list[Path]:
    return sorted(path.iterdir()) if path.is_dir() else []


def write_tables(target: Target, tables: Iterable[Any]) -> None:
    """Write Arrow tables of one schema, in order; the result gets its name when it is whole.

    What is written depends on the rows alone, not on how they are cut into tables.

    Raises
    ------
    CacheWriteError
        The file system refused; what was at the place before is untouched.
    """
    if not target.is_folder:
        with atomic_path(target.path) as partial:
            _write_file(partial, target.format, _groups(tables))
        return
    arriving = target.work_folder / f"folder-{uuid.uuid4().hex}"
    for number, tables_of_file in enumerate(_files(_groups(tables))):
        with atomic_path(arriving / f"part-{number:05d}.{target.format}") as partial:
            _write_file(partial, target.format, tables_of_file)
    _replace_folder(arriving, target.path)


def _replace_folder(arriving: Path, place: Path) -> None:
    old = arriving.with_name(f"old-{uuid.uuid4().hex}")
    try:
        if place.exists():
            place.replace(old)
        arriving.replace(place)
    except OSError as error:
        raise CacheWriteError(f"cannot write {place}: {error.strerror or error}") from error
    shutil.rmtree(old, ignore_errors=True)


def _groups(tables: Iterable[Any]) -> Iterator[Any]:
    """Cut ``tables`` anew, in groups of rows that depend on the schema alone."""
    import pyarrow as pa

    held: list[Any] = []
    n_held, size = 0, 0
    for table in tables:
        size = size or _group_rows(table)
        held.append(table)
        n_held += len(table)
        while n_held >= size:
            whole = pa.concat_tables(held)
            yield whole.slice(0, size).combine_chunks()
            held, n_held = [whole.slice(size)], n_held - size
    if n_held or (held and not size):
        yield pa.concat_tables(held).combine_chunks()


def _group_rows(table: Any) -> int:
    """Return how many rows a group has; a multiple that divides a folder's files evenly."""
    width = 8 * (table.num_columns + 1)
    rows = GROUP_ROWS
    while rows > 1024 and rows * width > GROUP_BYTES:
        rows //= 2
    return rows


def _files(groups: Iterator[Any]) -> Iterator[Iterator[Any]]:
    """Split groups into the runs that make one file each."""
    for first in groups:
        yield _one_file(first, groups, FOLDER_ROWS // _group_rows(first))


def _one_file(first: Any, groups: Iterator[Any], n_groups: int) -> Iterator[Any]:
    yield first
    for _ in range(n_groups - 1):
        group = next(groups, None)
        if group is None:
            return
        yield group


def _write_file(path: Path, format: str, groups: Iterable[Any]) -> None:
    writers = {"parquet": _parquet, "csv": _csv, "jsonl": _jsonl}
    with writers[format](path) as write:
        for group in groups:
            write(group)


@contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    import pyarrow.parquet as pq

    with path.open("wb") as file:
        writers: list[Any] = []

        def write(table: Any) -> None:
            if not writers:
                writers.append(pq.ParquetWriter(file, table.schema, compression="zstd"))
            writers[0].write_table(table, row_group_size=len(table) or None)

        yield write
        for writer in writers:
            writer.close()


@contextmanager
def _csv(path: Path) -> Iterator[Any]:
    from pyarrow import csv

    with path.open("wb") as file:
        started: list[bool] = []

        def write(table: Any) -> None:
            options = csv.WriteOptions(include_header=not started)
            csv.write_csv(flat(table), file, options)
            started.append(True)

        yield write


@contextmanager
def _jsonl(path: Path) -> Iterator[Any]:
    with path.open("wb") as file:
        yield lambda table: file.write(_lines(table))


def flat(table: Any) -> Any:
    """Return ``table`` without nested columns: ``top1_class, top1_probability, top2_class, …``."""
    import pyarrow as pa

    columns: dict[str, Any] = {}
    for name in table.column_names:
        column = table.column(name)
        if name == "top_classes":
            columns |= _top_columns(table)
        elif name != "top_probabilities":
            is_dictionary = pa.types.is_dictionary(column.type)
            columns[name] = column.cast(pa.string()) if is_dictionary else column
    return pa.table(columns)


def _top_columns(table: Any) -> dict[str, Any]:
    columns = {}
    n_columns = int(table.schema.metadata[TOP_K.encode()])
    classes, values = table.column("top_classes"), table.column("top_probabilities")
    for place in range(n_columns):
        columns[f"top{place + 1}_class"] = _element(classes, place)
        columns[f"top{place + 1}_probability"] = _element(values, place)
    return columns


def _element(column: Any, place: int) -> Any:
    import pyarrow.compute as pc

    return pc.list_element(column, place)


def _lines(table: Any) -> bytes:
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
        parts = [_json_texts(_element(column, i)) for i in range(length)]
        joined = pc.binary_join_element_wise(*parts, pa.scalar(", "))
        listed = pc.binary_join_element_wise(pa.scalar("["), joined, pa.scalar("]"), pa.scalar(""))
        return pc.if_else(column.is_valid(), listed, pa.scalar("null"))
    if pa.types.is_floating(column.type):
        texts = column.cast(pa.string())
    else:
        encode = json.encoder.encode_basestring
        encoded = pc.dictionary_encode(column.combine_chunks())
        words = [None if w is None else encode(w) for w in encoded.dictionary.to_pylist()]
        texts = pa.array(words, pa.string()).take(encoded.indices)
    return pc.fill_null(texts, "null")
