"""Splits as tables: written for other tools, and taken from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache import NO_SPLIT, SPLITS, FeatureSet
from ....cache.errors import ConfigError, SourceFormatError
from ....cache.format.atomic import atomic_path
from ....cache.output_path import output_file
from ....cache.records.split_table import SplitTable
from ....extractor.sources import SourceOptions
from ....extractor.sources.files.local import LocalFiles
from ....extractor.sources.labels import encode_splits
from ....extractor.sources.tables.table import read_table
from ..metrics import listed
from .splits import Split, split_features
from .units import find_units

COLUMNS = ("id", "digest", "group", "label", "split")
ID_COLUMNS = ("id", "sample_id", "path")
METADATA = {b"featx": b"splits"}
ENDINGS = (".csv", ".parquet")


@dataclass(frozen=True)
class ImportedSplit:
    """What became of a table of splits.

    Attributes
    ----------
    split : Split
        Of the features, with the table.
    n_taken : int
        Rows of the features whose split the table says.
    n_drawn : int
        Labelled rows that it does not know.
    n_unknown : int
        Rows of the table that are no row of the features.
    given : tuple of str
        Splits that the source gives itself: the table says nothing about them.
    """

    split: Split
    n_taken: int
    n_drawn: int
    n_unknown: int
    given: tuple[str, ...]


def export_split(
    features: FeatureSet, path: Path, seed: int = 0, *, overwrite: bool = False
) -> Split:
    """Write one row a sample, with its split, to a CSV or Parquet file.

    Columns: ``id, digest, group, label, split``. A sample without a label has no split.

    Raises
    ------
    ConfigError
        The name ends in nothing that is known, or another file is there.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    if path.suffix.lower() not in ENDINGS:
        raise ConfigError(f"a table of splits ends in {' or '.join(ENDINGS)}, got {path.name!r}")
    target = output_file(path, "a table of splits", is_split_table, overwrite=overwrite)
    split = split_features(features, seed)
    names = np.full(len(features), "", dtype=object)
    for name, rows in split.parts().items():
        names[rows] = name
    groups, labels = features.manifest.listing.groups, [*features.class_names, ""]
    columns = (
        list(features.sample_ids),
        [bytes(digest).hex() for digest in features.digests],
        [groups[int(i)] if groups is not None else "" for i in features.kept],
        [labels[label] for label in features.y],
        names.tolist(),
    )
    texts = [[_printable(cell) for cell in column] for column in columns]
    table = pa.table(dict(zip(COLUMNS, texts, strict=True)))
    with atomic_path(target) as partial:
        if path.suffix.lower() == ".csv":
            options = csv.WriteOptions(quoting_style="needed", quoting_header="none")
            csv.write_csv(table, partial, options)
        else:
            parquet.write_table(table.replace_schema_metadata(METADATA), partial)
    return split


def _printable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def is_split_table(path: Path) -> bool:
    """Say whether a file was written by ``export_split``."""
    import pyarrow as pa
    from pyarrow import parquet

    header = ",".join(COLUMNS).encode("ascii")
    with path.open("rb") as file:
        if file.read(len(header)) == header:
            return True
    try:
        metadata = parquet.read_schema(path).metadata or {}
    except pa.ArrowException:
        return False
    return metadata.get(b"featx") == METADATA[b"featx"]


def import_split(features: FeatureSet, path: Path, seed: int = 0) -> ImportedSplit:
    """Take the splits of a table for a seed; they count before drawn ones from now on.

    Parameters
    ----------
    features : FeatureSet
        Opened from a cache.
    path : Path
        A table (CSV, TSV, JSON lines, Parquet) with a column ``split``, and ``digest`` or ``id``.
    seed : int

    Raises
    ------
    SourceFormatError
        It is no such table, names no row of the features, or gives one unit two splits.
    ConfigError
        The features are in no cache that could keep it.
    """
    if features.layout is None:
        raise ConfigError("a split is kept in a cache: open the features with open_features")
    codes, n_unknown = _read_codes(features, path)
    units = find_units(features, seed)
    rows = np.flatnonzero(codes >= 0)
    if not len(rows):
        raise SourceFormatError(
            f"{path}: none of its {n_unknown:,} rows with a split is a sample of {features.name}. "
            f"Expected ids such as {features.sample_ids[0]!r} in a column id, or digests"
        )
    _refuse_torn_units(features, codes, units.rows, path)
    keys, first = np.unique(units.row_keys[rows], return_index=True)
    table = SplitTable(features.layout, seed)
    table.add(units.keys[keys], codes[rows[first]], is_import=True)
    given = tuple(name for name in ("val", "test") if features.in_split(name).any())
    split = split_features(features, seed)
    n_drawn = int(((features.y >= 0) & (codes < 0)).sum())
    return ImportedSplit(split, len(rows), n_drawn, n_unknown, given)


def _read_codes(features: FeatureSet, path: Path) -> tuple[NDArray[np.int8], int]:
    """Return the split of each row of the features, ``(n,)``, and how many rows match none."""
    columns = read_table(LocalFiles(path.parent), path.name, SourceOptions())
    names = [name.lower() for name in columns.names]
    keys = [name for name in ("digest", *ID_COLUMNS) if name in names]
    if "split" not in names or not keys:
        raise SourceFormatError(
            f"{path}: expected a column `split`, and `digest` or `id` beside it, as `featx split "
            f"export` writes them; got {columns.list_names()}"
        )
    splits = encode_splits(columns.texts(names.index("split")), str(path))
    texts = columns.texts(names.index(keys[0]))
    own: Sequence[Any] = features.sample_ids
    if keys[0] == "digest":
        own = [bytes(digest).hex() for digest in features.digests]
    by_text: dict[str, set[int]] = {}
    for text, code in zip(texts, splits.tolist(), strict=True):
        if text and code != NO_SPLIT:
            by_text.setdefault(text, set()).add(code)
    torn = [text for text, codes in by_text.items() if len(codes) > 1]
    if torn:
        raise SourceFormatError(
            f"{path}: {listed(torn)} stand in two splits. Give each of them one"
        )
    found = [by_text.get(_printable(text)) for text in own]
    codes = np.array([min(code) if code else NO_SPLIT for code in found], np.int8)
    return codes, len(by_text.keys() - {_printable(text) for text in own})


def _refuse_torn_units(
    features: FeatureSet, codes: NDArray[np.int8], units: NDArray[np.int64], path: Path
) -> None:
    """Refuse a table that puts equal images, or images of one group, on two sides."""
    rows = np.flatnonzero(codes >= 0)
    order = rows[np.lexsort((codes[rows], units[rows]))]
    is_torn = (np.diff(units[order]) == 0) & (np.diff(codes[order]) != 0)
    if is_torn.any():
        index = int(np.flatnonzero(is_torn)[0])
        one, other = (int(order[index]), int(order[index + 1]))
        ids = features.sample_ids
        raise SourceFormatError(
            f"{path}: {ids[one]!r} is in {SPLITS[codes[one]]} and {ids[other]!r} in "
            f"{SPLITS[codes[other]]}, but they have the same bytes or one group. "
            f"{int(is_torn.sum()):,} such pairs: give each of them one split"
        )
