"""A table of image files: columns for path, label, split and group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....cache import NO_SPLIT, Listing, StringColumn
from ....cache.errors import EmptySourceError, SourceFormatError
from ..crop import Box
from ..files.files import Files, shown
from ..files.names import decoded
from ..kind import SourceKind
from ..labels import call_by_name, encode_labels, encode_splits
from ..source import Contents, CropSource, FileSource, Source
from ..source_options import SourceOptions
from .boxes import read_boxes
from .columns import Columns, Roles, choose_roles
from .find_files import ROW_A_BOX, find_files
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


def open_table(files: Files, names: Sequence[str], options: SourceOptions) -> Source:
    """Open the images that a table names, or crops of them, in its order.

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
    samples = read_samples(columns, roles, paths, files, options)
    where = f"{columns.location} (column {columns.names[roles.path]})"
    image_files = find_files(files, paths, where, bool(samples.boxes))
    notes = (*columns.notes, *image_files.notes, *samples.notes)
    contents = Contents(samples.listing, _origin(columns, roles), notes)
    ids = samples.listing.sample_ids
    same = not samples.boxes and paths == image_files.names
    file_names = ids if same else StringColumn.from_strings(image_files.names)
    source = FileSource(files, file_names, columns.location, contents, image_files.stamps)
    return CropSource(source, samples.boxes) if samples.boxes else source


@dataclass(frozen=True)
class Samples:
    """What the columns of a table say of its images.

    Attributes
    ----------
    listing : Listing
    notes : list of str
        What a person should know of the reading.
    boxes : list of Box
        One for each sample where the samples are crops; else empty.
    """

    listing: Listing
    notes: list[str]
    boxes: list[Box]


def read_samples(
    columns: Columns, roles: Roles, paths: list[str], files: Files, options: SourceOptions
) -> Samples:
    """Read what the columns say of the images at ``paths``; crops of one image are a group.

    Raises
    ------
    SourceFormatError
        An image occurs twice, or a box of it; a split, a weight or a box cannot be read.
    """
    texts, notes = read_labels(columns, roles, options.label_column is not None)
    labels, class_names = encode_labels(texts)
    class_names, renamed = call_by_name(class_names, files)
    splits: NDArray[np.int8] = np.full(columns.n_rows, NO_SPLIT, np.int8)
    if roles.split is not None:
        splits = encode_splits(columns.texts(roles.split), columns.location)
    boxes, understood = read_boxes(columns, roles.box) if roles.box else ([], "")
    weights = None if roles.weight is None else _weights(columns, roles.weight)
    unused = roles.unused(columns)
    if unused:
        hint = "" if roles.labels else " (--label-column names the classes)"
        notes.append(f"columns not used: {shown(unused)}{hint}")
    names = [f"{path}{box}" for path, box in zip(paths, boxes, strict=True)] if boxes else paths
    _refuse_repeats(names, columns.location, bool(boxes))
    ids = StringColumn.from_strings(names)
    groups = _groups(columns, roles, paths)
    listing = Listing(ids, labels, splits, groups, class_names, weights)
    return Samples(listing, [*filter(None, (understood,)), *renamed, *notes], boxes)


def _groups(columns: Columns, roles: Roles, paths: Sequence[str]) -> StringColumn | None:
    """Return the group of each row; a crop without one is in that of its image."""
    if roles.group is None and not roles.box:
        return None
    groups: Sequence[str | None] = [None] * len(paths)
    if roles.group is not None:
        groups = columns.texts(roles.group)
    images = paths if roles.box else [""] * len(paths)
    return StringColumn.from_strings(
        group or image for group, image in zip(groups, images, strict=True)
    )


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


def _refuse_repeats(names: list[str], where: str, are_crops: bool) -> None:
    repeated = [(name, n) for name, n in Counter(names).most_common(1) if n > 1]
    for name, n in repeated:
        first = names.index(name)
        second = names.index(name, first + 1)
        what = "box" if are_crops else f"image ({ROW_A_BOX})"
        raise SourceFormatError(
            f"{where}: {name!r} occurs twice, in rows {first + 1} and {second + 1} ({n} times in "
            f"all). Expected one row, with one label, for each {what}"
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
