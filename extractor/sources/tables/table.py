"""A table of image files: columns for path, label, split and group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ....cache import NO_LABEL, NO_SPLIT, Listing, StringColumn
from ....cache.errors import EmptySourceError, SourceFormatError
from ..files.files import Files, shown
from ..files.names import decoded
from ..kind import SourceKind
from ..labels import call_by_name, encode_labels, encode_splits
from ..source import Contents, FileSource
from ..source_options import SourceOptions
from .columns import Columns, Roles, choose_roles
from .find_files import find_files
from .label_checks import read_labels
from .records import ENDINGS as RECORD_ENDINGS
from .records import read_records
from .text import is_text_table, read_text_table


def is_table(files: Files, name: str) -> bool:
    """Tell whether a file is a table."""
    return name.lower().endswith(RECORD_ENDINGS) or is_text_table(files, name)


def read_table(files: Files, name: str, options: SourceOptions) -> Columns:
    """Read a table of any format; raises SourceFormatError where it is none."""
    if name.lower().endswith(RECORD_ENDINGS):
        return read_records(files, name)
    return read_text_table(files, name, options)


def open_table(files: Files, names: Sequence[str], options: SourceOptions) -> FileSource:
    """Open the images that a table names, in its order.

    Raises
    ------
    SourceFormatError
        The table cannot be read, has no column of paths, is empty, names no file that is there, or
        holds labels that are no classes.
    """
    (name,) = names
    columns = read_table(files, name, options)
    roles = choose_roles(columns, options)
    paths = _paths(columns, roles, files)
    listing, notes = read_listing(columns, roles, paths, files, options)
    where = f"{columns.location} (column {columns.names[roles.path]})"
    image_files = find_files(files, paths, where)
    contents = Contents(
        listing, _origin(columns, roles), (*columns.notes, *image_files.notes, *notes)
    )
    ids = listing.sample_ids
    same = all(path == file for path, file in zip(paths, image_files.names, strict=True))
    file_names = ids if same else StringColumn.from_strings(image_files.names)
    return FileSource(files, file_names, columns.location, contents, image_files.stamps)


def read_listing(
    columns: Columns, roles: Roles, paths: list[str], files: Files, options: SourceOptions
) -> tuple[Listing, list[str]]:
    """Return what the columns say of the images at ``paths``, and what to know of it."""
    n_rows = columns.n_rows
    labels: NDArray[np.int64] = np.full(n_rows, NO_LABEL, np.int64)
    splits: NDArray[np.int8] = np.full(n_rows, NO_SPLIT, np.int8)
    texts, notes = read_labels(columns, roles, options.label_column is not None)
    labels, class_names = encode_labels(texts)
    class_names, renamed = call_by_name(class_names, files)
    if roles.split is not None:
        splits = encode_splits(columns.texts(roles.split), columns.location)
    groups = None
    if roles.group is not None:
        groups = StringColumn.from_strings(text or "" for text in columns.texts(roles.group))
    weights = None if roles.weight is None else _weights(columns, roles.weight)
    unused = roles.unused(columns)
    if unused:
        hint = "" if roles.labels else " (--label-column names the classes)"
        notes.append(f"columns not used: {shown(unused)}{hint}")
    _refuse_repeats(paths, columns.location)
    ids = StringColumn.from_strings(paths)
    return Listing(ids, labels, splits, groups, class_names, weights), [*renamed, *notes]


def _weights(columns: Columns, index: int) -> NDArray[np.float64]:
    """Return a column of weights; raises SourceFormatError where one is no number from 0 on."""
    weights = np.ones(columns.n_rows)
    for row, text in enumerate(columns.texts(index)):
        try:
            weights[row] = float(text or "")
        except ValueError:
            weights[row] = -1
        if not 0 <= weights[row] < np.inf:
            raise SourceFormatError(
                f"{columns.location}: row {row + 1} has the weight {text!r} in the column "
                f"{columns.names[index]}. Expected a number from 0 on"
            )
    return weights


def _paths(columns: Columns, roles: Roles, files: Files) -> list[str]:
    paths = [path or "" for path in columns.texts(roles.path)]
    if not paths:
        raise EmptySourceError(f"{columns.location} has no rows")
    if not all(paths):
        raise SourceFormatError(f"{columns.location}: row {paths.index('') + 1} names no image")
    readable = [decoded(path) for path in paths]
    # A file's own name may be no UTF-8: then its bytes stand in the table as they are.
    pairs = zip(paths, readable, strict=True)
    return [path if path == text or files.stamp(path) else text for path, text in pairs]


def _refuse_repeats(paths: list[str], where: str) -> None:
    repeated = [(path, n) for path, n in Counter(paths).most_common(1) if n > 1]
    for path, n in repeated:
        first = paths.index(path)
        second = paths.index(path, first + 1)
        raise SourceFormatError(
            f"{where}: {path!r} occurs twice, in rows {first + 1} and {second + 1} ({n} times in "
            "all). Expected one row, with one label, for each image"
        )


def _origin(columns: Columns, roles: Roles) -> str:
    """Say which columns the samples come from."""
    named = {
        "label": roles.labels[:1],
        "split": (roles.split,),
        "group": (roles.group,),
        "weight": (roles.weight,),
    }
    parts = [f"the column {columns.names[roles.path]}"]
    for role, (index, *_) in ((role, indices) for role, indices in named.items() if indices):
        if index is not None and len(roles.labels) < 2:
            parts.append(f"{role} {columns.names[index]}")
        elif index is not None:
            parts.append(f"{len(roles.labels)} one-hot columns" if role == "label" else role)
    return f"{columns.location.rsplit('/', 1)[-1]} ({', '.join(parts)})"


KIND = SourceKind(
    name="table",
    expected="a table of paths (.csv, .tsv, .jsonl, .parquet)",
    open=open_table,
    reads=is_table,
    reads_columns=True,
)
