"""Tables that hold the pictures themselves: Parquet and Arrow files as Hugging Face writes them.

An image is a struct ``{bytes, path}`` or plain bytes. Names of classes come from the metadata that
``datasets`` writes into the schema, splits from names of files such as
``train-00000-of-00004.parquet``.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache import NO_SPLIT, SPLITS
from ....cache.errors import EmptySourceError, SourceFormatError
from ..files.files import Files, plural, shown
from ..files.local import LocalFiles
from ..files.remote import RemoteFiles
from ..kind import SourceKind
from ..labels import split_name, split_within
from ..source import Contents, CropSource, ListedSource, Source, stamp_array
from ..source_options import SourceOptions
from .columns import Columns, choose_roles, squash
from .table import read_samples

PARQUET = (".parquet", ".pq")
ARROW = (".arrow", ".feather")
METADATA = b"huggingface"
USUAL_NAMES = (
    *("image", "images", "img", "picture", "photo", "jpg", "jpeg", "png", "webp", "tif", "bytes"),
    *("content", "data", "imagebytes", "imagedata"),
)
"""Columns of plain bytes that hold pictures where the metadata does not say it."""

BYTES, PATH = "bytes", "path"
KEPT_GROUPS, ALWAYS_KEPT = 4, 2
"""Row groups in memory, at most and at least: threads that read ahead use neighbouring ones."""
KEPT_BYTES = 256 << 20
"""What all groups in memory take, beyond those that are always kept."""


@dataclass(frozen=True)
class _ImageFile:
    """One file: its schema, how many rows each of its groups has, and how a group is read."""

    files: Files
    name: str
    schema: Any
    n_rows: tuple[int, ...]
    read: Callable[[int, list[str]], Any]

    def __reduce__(self) -> tuple[Any, ...]:
        return _open, (self.files, self.name)


class PictureTable(ListedSource):
    """Pictures in the rows of tables, in the order of the files' names and of their rows.

    A group of rows is read at once, and the last few are kept: memory does not grow with the file.
    """

    def __init__(
        self,
        files: Files,
        tables: Sequence[_ImageFile],
        image: str,
        contents: Contents,
        location: str,
    ) -> None:
        super().__init__(location, contents)
        self._arguments = (files, tables, image, contents, location)
        self._files, self._tables, self._image = files, tables, image
        self._groups = [(t, g) for t, table in enumerate(tables) for g in range(len(table.n_rows))]
        counts = [n for table in tables for n in table.n_rows]
        self._starts = np.cumsum([0, *counts])
        self._kept: OrderedDict[int, Any] = OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return PictureTable, self._arguments

    def stamps(self) -> NDArray[np.int64]:
        """Return the stamp of each image's file."""
        stamps = stamp_array([self._files.stamp(table.name) for table in self._tables])
        return np.repeat(stamps, [sum(table.n_rows) for table in self._tables], axis=0)

    def read(self, index: int) -> bytes:
        """Return the bytes of one image; raises OSError where its row holds none."""
        group = int(np.searchsorted(self._starts, index, "right")) - 1
        value = self._group(group)[index - int(self._starts[group])].as_py()
        content = value.get(BYTES) if isinstance(value, dict) else value
        if not content:
            raise OSError(f"the row holds no bytes{self._only_path(group, index)}")
        return bytes(content)

    def _only_path(self, group: int, index: int) -> str:
        """Return the path that a row holds in place of an image, as the end of a sentence."""
        table, number = self._groups[group]
        kind = self._tables[table].schema.field(self._image).type
        if _leaf(self._image, PATH, kind) == self._image:
            return ""
        (column,) = self._tables[table].read(number, [f"{self._image}.{PATH}"])
        value = column[index - int(self._starts[group])].as_py()
        return f", only the path {value[PATH]}" if value and value[PATH] else ""

    def _group(self, number: int) -> Any:
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
            table, group = self._groups[number]
            kind = self._tables[table].schema.field(self._image).type
            try:
                (column,) = self._tables[table].read(group, [_leaf(self._image, BYTES, kind)])
            # Damaged pages raise errors of Arrow, which are ValueErrors and OSErrors of many kinds.
            except Exception as error:
                name = self._tables[table].name
                raise OSError(f"rows of {name} cannot be read ({error})") from error
            self._kept[number] = column
            while len(self._kept) > ALWAYS_KEPT and self._is_full():
                self._kept.popitem(last=False)
            return column

    def _is_full(self) -> bool:
        n_bytes = sum(column.nbytes for column in self._kept.values())
        return len(self._kept) > KEPT_GROUPS or n_bytes > KEPT_BYTES


def holds_images(files: Files, name: str) -> bool:
    """Tell whether a file is a table with pictures in it."""
    if not name.lower().endswith((*PARQUET, *ARROW)):
        return False
    try:
        return bool(_image_columns(_open(files, name).schema))
    except (OSError, SourceFormatError):
        return False


def open_image_rows(files: Files, names: Sequence[str], options: SourceOptions) -> Source:
    """Open the pictures in tables, or crops of them.

    Raises
    ------
    SourceFormatError
        A file is damaged, files have different columns, or rows hold several pictures.
    EmptySourceError
        No file has rows.
    """
    names = sorted(names)
    tables = [_open(files, name) for name in names]
    where = f"{files.location}/{names[0]}" if len(names) == 1 else files.location
    image = _image_column(tables, options, where)
    ids = _ids(tables)
    if not ids:
        raise EmptySourceError(f"{where} has no rows")
    columns = _columns(tables, image, ids, where)
    roles = choose_roles(columns, replace(options, path_column=image))
    samples = read_samples(columns, roles, ids, files, options)
    listing = samples.listing
    if roles.split is None:
        listing = replace(listing, splits=_splits(tables))
    origin = f"the column {image} of {plural(len(names), 'file')}"
    contents = Contents(listing, origin, tuple(samples.notes))
    source = PictureTable(files, tables, image, contents, where)
    return CropSource(source, samples.boxes) if samples.boxes else source


def _open(files: Files, name: str) -> _ImageFile:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        if not name.lower().endswith(PARQUET):
            return _open_arrow(files, name)
        source = _random_access(files, name)
        file = parquet.ParquetFile(source, memory_map=isinstance(files, LocalFiles))
    except (OSError, pa.ArrowException) as error:
        raise SourceFormatError(
            f"{files.location}/{name} is not a readable table ({error})"
        ) from error
    n_rows = tuple(file.metadata.row_group(i).num_rows for i in range(file.num_row_groups))

    def read(group: int, wanted: list[str]) -> Any:
        table = file.read_row_group(group, wanted, use_threads=False)
        return [_column(table, name) for name in wanted]

    return _ImageFile(files, name, file.schema_arrow, n_rows, read)


def _random_access(files: Files, name: str) -> Any:
    """Return what pyarrow reads the parts of a file from that it needs."""
    if isinstance(files, LocalFiles):
        return str(files.root / name)
    return files.open_for_ranges(name) if isinstance(files, RemoteFiles) else files.open(name)


def _open_arrow(files: Files, name: str) -> _ImageFile:
    """Open an Arrow file, or the stream of batches that ``datasets`` saves."""
    import pyarrow as pa

    if isinstance(files, LocalFiles):
        content = pa.memory_map(str(files.root / name))
    else:
        content = pa.BufferReader(files.read(name))
    try:
        reader = pa.ipc.open_file(content)
        batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
    except pa.ArrowInvalid:
        content.seek(0)
        reader = pa.ipc.open_stream(content)
        batches = list(reader)
    n_rows = tuple(batch.num_rows for batch in batches)
    return _ImageFile(
        files,
        name,
        reader.schema,
        n_rows,
        lambda group, wanted: [_column(batches[group], name) for name in wanted],
    )


def _leaf(name: str, field: str, kind: Any) -> str:
    """Return the name under which Parquet holds a field of a struct; else the column's own."""
    import pyarrow as pa

    is_inside = pa.types.is_struct(kind) and kind.get_field_index(field) >= 0
    return f"{name}.{field}" if is_inside else name


def _column(table: Any, name: str) -> Any:
    """Return a column of a table; for a field of a struct, the struct."""
    return table.column(name if name in table.schema.names else name.rpartition(".")[0])


def _image_columns(schema: Any) -> list[str]:
    """Return the columns that hold pictures."""
    import pyarrow as pa

    stated = _features(schema)
    names = []
    for field in schema:
        kind = stated.get(field.name, {})
        is_binary = pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type)
        is_binary = is_binary and squash(field.name) in USUAL_NAMES
        is_struct = pa.types.is_struct(field.type) and field.type.get_field_index(BYTES) >= 0
        if is_struct or is_binary or (isinstance(kind, dict) and kind.get("_type") == "Image"):
            names.append(field.name)
    return names


def _image_column(tables: Sequence[_ImageFile], options: SourceOptions, where: str) -> str:
    names = _image_columns(tables[0].schema)
    if options.path_column in names:
        return str(options.path_column)
    if len(names) != 1:
        raise SourceFormatError(
            f"{where} holds {len(names)} pictures a row, in the columns {shown(names)}. featx "
            f"takes one: --path-column {names[0] if names else 'NAME'}"
        )
    for table in tables:
        if names[0] not in table.schema.names:
            raise SourceFormatError(
                f"{where}: {table.name} has no column {names[0]}, as {tables[0].name} has. Name "
                "the files that belong together, with a pattern in quotes"
            )
    return names[0]


def _features(schema: Any) -> dict[str, Any]:
    """Return what ``datasets`` says of each column."""
    try:
        stated = json.loads((schema.metadata or {}).get(METADATA, b"{}"))
        features = stated["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return features if isinstance(features, dict) else {}


def _ids(tables: Sequence[_ImageFile]) -> list[str]:
    return [f"{table.name}:{row}" for table in tables for row in range(sum(table.n_rows))]


def _columns(tables: Sequence[_ImageFile], image: str, ids: list[str], where: str) -> Columns:
    """Return the columns beside the pictures, with names in place of the numbers of classes."""
    import pyarrow as pa

    others = [
        field.name
        for field in tables[0].schema
        if field.name not in _image_columns(tables[0].schema) and not pa.types.is_nested(field.type)
    ]
    values = [pa.chunked_array([pa.array(ids, pa.string())])]
    stated = _features(tables[0].schema)
    parts: list[list[Any]] = [[] for _ in others]
    for table in tables:
        if missing := [name for name in others if name not in table.schema.names]:
            raise SourceFormatError(f"{where}: {table.name} has no column {missing[0]}")
        for group in range(len(table.n_rows)):
            for part, column in zip(parts, table.read(group, others), strict=True):
                chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
                part.extend(chunks)
    for name, part in zip(others, parts, strict=True):
        kind = stated.get(name, {})
        class_names = kind.get("names") if isinstance(kind, dict) else None
        column = pa.chunked_array(part) if part else pa.chunked_array([pa.array([], pa.string())])
        values.append(_named(column, class_names) if isinstance(class_names, list) else column)
    return Columns([image, *others], values, where)


def _named(column: Any, class_names: list[str]) -> Any:
    """Return the names of classes; None for numbers that stand for no class, such as -1."""
    import pyarrow as pa

    texts = [
        str(class_names[code]) if isinstance(code, int) and 0 <= code < len(class_names) else None
        for code in column.to_pylist()
    ]
    return pa.chunked_array([pa.array(texts, pa.string())])


def _splits(tables: Sequence[_ImageFile]) -> NDArray[np.int8]:
    """Return the split of each row, by the name of its file or of a folder above it."""
    codes = []
    for table in tables:
        *folders, name = table.name.split("/")
        split = split_within(name.split(".")[0].split("-")[0])[0]
        for folder in reversed(folders):
            split = split or split_name(folder)
        code = SPLITS.index(split) if split else NO_SPLIT
        codes.append(np.full(sum(table.n_rows), code, np.int8))
    return np.concatenate(codes)


KIND = SourceKind(
    name="tables of pictures",
    expected="Hugging Face's Parquet or Arrow files with pictures in them",
    open=open_image_rows,
    reads=holds_images,
    gathers=True,
    reads_columns=True,
)
