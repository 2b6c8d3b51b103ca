"""A table of image files: CSV or Parquet with columns for path, label, split and group."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import NO_LABEL, NO_SPLIT, Listing, StringColumn
from ...cache.errors import SourceFormatError
from .base import source_name
from .files import Files, read_stamps
from .labels import encode_labels, encode_splits

ENDINGS = (".csv", ".tsv", ".parquet", ".csv.gz")
COLUMNS = {
    "path": (
        "path",
        "filepath",
        "file_path",
        "filename",
        "file_name",
        "file",
        "image_path",
        "image",
    ),
    "label": ("label", "class", "class_name", "category", "target"),
    "split": ("split", "subset", "partition"),
    "group": ("group", "group_id"),
}


class TableSource:
    """Image files that a table names, in its order.

    Parameters
    ----------
    files : Files
        Of the table's folder, to which its paths are relative.
    name : str
        The table.

    Raises
    ------
    SourceFormatError
        The table cannot be read, has no column of paths, or is empty.
    """

    def __init__(self, files: Files, name: str) -> None:
        self._files = files
        self.location = f"{files.location}/{name}"
        self.name = source_name(name, self.location)
        self.left_out: dict[str, int] = {}
        table = _read_table(files, name, self.location)
        chosen = _choose_columns(table.column_names, self.location)
        self._columns = {role: _texts(table[column]) for role, column in chosen.items()}
        paths = [path or "" for path in self._columns.pop("path")]
        if not paths:
            raise SourceFormatError(f"{self.location} has no rows")
        if not all(paths):
            raise SourceFormatError(f"{self.location}: row {paths.index('') + 1} names no image")
        self._paths = StringColumn.from_strings(paths)

    def listing(self) -> Listing:
        """Return the paths as ids, with what the other columns say of them."""
        n_samples = len(self._paths)
        labels: NDArray[np.int64] = np.full(n_samples, NO_LABEL, np.int64)
        splits: NDArray[np.int8] = np.full(n_samples, NO_SPLIT, np.int8)
        class_names: tuple[str, ...] = ()
        if "label" in self._columns:
            labels, class_names = encode_labels(self._columns["label"])
        if "split" in self._columns:
            splits = encode_splits(self._columns["split"], self.location)
        groups = None
        if "group" in self._columns:
            groups = StringColumn.from_strings(text or "" for text in self._columns["group"])
        return Listing(self._paths, labels, splits, groups, class_names)

    def stamps(self) -> NDArray[np.int64]:
        """Return the stamp of each file; zeros where a file cannot be looked at."""
        return read_stamps(self._files, self._paths)

    def read(self, index: int) -> bytes:
        """Return the bytes of one file; raises OSError where it cannot be read."""
        return self._files.read(self._paths[index])


def read_header(files: Files, name: str, separator: str = ",") -> list[str]:
    """Return the names in the first line of a CSV; empty where it cannot be read as text."""
    import csv
    import gzip

    try:
        with files.open(name) as file:
            opened = gzip.GzipFile(fileobj=file) if name.endswith(".gz") else file
            line = opened.readline(1 << 20).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError, EOFError):
        return []
    rows = list(csv.reader([line.strip("\r\n")], delimiter=separator))
    return [name.strip() for name in rows[0]] if rows else []


def _read_table(files: Files, name: str, where: str) -> Any:
    """Read the table; text stays bytes, so that names that are no UTF-8 survive."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    separator = "\t" if ".tsv" in name else ","
    try:
        if name.endswith(".parquet"):
            with files.open(name) as file:
                return parquet.read_table(file)
        names = read_header(files, name, separator)
        with files.open(name) as file:
            return csv.read_csv(
                pa.CompressedInputStream(file, "gzip") if name.endswith(".gz") else file,
                parse_options=csv.ParseOptions(delimiter=separator),
                convert_options=csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.binary()), strings_can_be_null=False
                ),
            )
    except (OSError, pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise SourceFormatError(f"{where}: not a readable table ({error})") from error


def _choose_columns(names: list[str], where: str) -> dict[str, str]:
    """Return the column of each role by its usual names."""
    lower = {name.lower().strip(): name for name in names}
    chosen = {}
    for role, usual in COLUMNS.items():
        found = [lower[name] for name in usual if name in lower]
        if found:
            chosen[role] = found[0]
    if "path" not in chosen:
        raise SourceFormatError(
            f"{where} has the columns {', '.join(names)}. Expected one called `path` with the "
            "image files, relative to the table's folder; `label`, `split` and `group` are optional"
        )
    return chosen


def _texts(column: Any) -> list[str | None]:
    """Return a column as text; None where a value is missing or empty."""
    return [_text(value) for value in column.to_pylist()]


def _text(value: Any) -> str | None:
    if value is None or value in ("", b""):
        return None
    if isinstance(value, bytes):
        return os.fsdecode(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return None if value != value else str(value)
