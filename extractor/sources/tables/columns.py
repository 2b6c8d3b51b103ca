"""The columns of a table, and which of them says what."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ....cache.errors import SourceFormatError
from ....cache.suggest import did_you_mean
from ..files.names import is_image_name
from ..labels import name_words, split_name
from ..source_options import NO_COLUMN, SourceOptions

USUAL_NAMES = {
    "path": (
        *("path", "filepath", "imagepath", "imgpath", "filename", "imagefilename", "imagefile"),
        *("imagename", "imgname", "file", "image", "img", "relativepath", "relpath", "fullpath"),
        *("abspath", "photo", "picture", "imagepaths", "filenames", "images", "imageid", "imgid"),
        *("isicid", "idcode", "uuid", "id", "name"),
    ),
    "label": (
        *("label", "class", "classname", "category", "target", "labelname", "categoryname"),
        *("labels", "classes", "breed", "species", "diagnosis", "groundtruth", "y", "classid"),
        *("labelid", "categoryid", "classlabel", "imagelabel", "imageclass"),
    ),
    "split": ("split", "subset", "partition", "dataset", "set", "fold"),
    "group": ("group", "groupid", "groups"),
    "weight": (),
}
WEAK_PATHS = ("imageid", "imgid", "uuid", "id", "name")
WEAK_SPLITS = ("dataset", "set", "fold")
SAMPLED_ROWS = 100


@dataclass(frozen=True)
class Columns:
    """A table as it was read.

    Attributes
    ----------
    names : list of str
        As the table has them; one may occur twice.
    values : list of pyarrow.ChunkedArray
        Bytes where they come from text.
    location : str
    notes : tuple of str
        What a person should know of the reading.
    """

    names: list[str]
    values: list[Any]
    location: str
    notes: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return len(self.values[0]) if self.values else 0

    def texts(self, index: int) -> list[str | None]:
        """Return a column as text; None where a value is missing or empty."""
        return [_text(value) for value in self.values[index].to_pylist()]

    def head(self, index: int) -> list[str | None]:
        """Return the first values of a column as text."""
        return [_text(value) for value in self.values[index].slice(0, SAMPLED_ROWS).to_pylist()]

    def sample(self, index: int) -> list[str]:
        """Return those of the first values that are not empty."""
        return [text for text in self.head(index) if text]

    def list_names(self) -> str:
        """Return the columns' names for a message."""
        return ", ".join(self.names) or "none"


@dataclass(frozen=True)
class Roles:
    """Which columns say what, by their number.

    Attributes
    ----------
    path : int
    labels : tuple of int
        One column of labels, several one-hot columns, or none.
    split, group, weight : int or None
    box : tuple of int
        Four columns, or one, where each row is a crop.
    """

    path: int
    labels: tuple[int, ...]
    split: int | None
    group: int | None
    weight: int | None = None
    box: tuple[int, ...] = ()

    def unused(self, columns: Columns) -> list[str]:
        """Return the names of the columns that say nothing here."""
        used = {self.path, *self.labels, self.split, self.group, self.weight, *self.box}
        names = enumerate(columns.names)
        return [name for index, name in names if name and index not in used]


def choose_roles(columns: Columns, options: SourceOptions) -> Roles:
    """Return the column of each role: the one that was asked for, else one by its usual names.

    Raises
    ------
    SourceFormatError
        No column holds paths, one that was asked for is not there, or a name occurs twice.
    """
    path = _choose(columns, "path", options)
    if path is None or (options.path_column is None and _is_weak_path(columns, path)):
        raise SourceFormatError(_no_path_column(columns))
    split = _choose(columns, "split", options)
    if split is not None and options.split_column is None and _is_weak_split(columns, split):
        split = None
    labels, group = _label_columns(columns, options), _choose(columns, "group", options)
    weight = _choose(columns, "weight", options)
    return Roles(path, labels, split, group, weight, box_columns(columns, options))


def box_columns(columns: Columns, options: SourceOptions) -> tuple[int, ...]:
    """Return the columns of the boxes; none where images are taken whole."""
    return tuple(named_column(columns, name, "--crop-columns") for name in options.crop_names)


def has_role(names: Sequence[str], role: str, options: SourceOptions) -> bool:
    """Tell whether a header names a column for a role."""
    wanted = options.column(role)
    usual = USUAL_NAMES[role] if wanted is None else (squash(wanted),)
    return any(squash(name) in usual for name in names)


def squash(name: str) -> str:
    """Return a column's name in small letters, without what stands between its words."""
    return "".join(name_words(name)) or name.strip().lower()


def _choose(columns: Columns, role: str, options: SourceOptions) -> int | None:
    wanted = options.column(role)
    if wanted is not None:
        if role != "path" and squash(wanted) == NO_COLUMN and NO_COLUMN not in columns.names:
            return None
        return named_column(columns, wanted, f"--{role}-column")
    by_name = [squash(name) for name in columns.names]
    usual = next((name for name in USUAL_NAMES[role] if name in by_name), None)
    return None if usual is None else _only(columns, by_name, usual, f"that holds the {role}")


def named_column(columns: Columns, wanted: str, option: str) -> int:
    """Return the column that an option names; raises SourceFormatError where it is not there."""
    exact = [name.strip() for name in columns.names]
    if wanted.strip() in exact:
        return _only(columns, exact, wanted.strip(), f"for {option}")
    by_name = [squash(name) for name in columns.names]
    if squash(wanted) in by_name:
        return _only(columns, by_name, squash(wanted), f"for {option}")
    raise SourceFormatError(
        f"{columns.location} has no column {wanted!r} for {option}; it has the columns "
        f"{columns.list_names()}. {did_you_mean(wanted, columns.names)}"
    )


def _only(columns: Columns, names: list[str], wanted: str, purpose: str) -> int:
    indices = [index for index, name in enumerate(names) if name == wanted]
    if len(indices) > 1:
        raise SourceFormatError(
            f"{columns.location} has {len(indices)} columns called {columns.names[indices[0]]!r}. "
            f"Expected one {purpose}: rename the others"
        )
    return indices[0]


def _label_columns(columns: Columns, options: SourceOptions) -> tuple[int, ...]:
    wanted = options.label_column
    if wanted is not None and "," in wanted and wanted not in columns.names:
        return tuple(named_column(columns, name, "--label-column") for name in wanted.split(","))
    if wanted is not None:
        label = _choose(columns, "label", options)
        return () if label is None else (label,)
    usual = USUAL_NAMES["label"]
    by_name = [squash(name) for name in columns.names]
    boxes = box_columns(columns, options)
    if "x" in by_name:  # beside it, y is no label but the other coordinate
        usual = tuple(name for name in usual if name != "y")
    indices = sorted(
        (index for index, name in enumerate(by_name) if name in usual and index not in boxes),
        key=lambda index: usual.index(by_name[index]),
    )
    if not indices:
        return ()
    _only(columns, by_name, by_name[indices[0]], "that holds the label")
    return (_agreed(columns, indices),)


def _agreed(columns: Columns, indices: Sequence[int]) -> int:
    """Return the first of several columns of labels, where all of them tell the same classes."""
    first, *others = indices
    labels = columns.texts(first)
    for index in others:
        pairs = set(zip(labels, columns.texts(index), strict=True))
        if any(len({pair[side] for pair in pairs}) < len(pairs) for side in (0, 1)):
            names = [columns.names[index] for index in indices]
            raise SourceFormatError(
                f"{columns.location} has several columns of labels that differ: "
                f"{', '.join(names)}. featx trains one class for each image: --label-column "
                f"{names[0]}, or none for no labels"
            )
    return first


def _is_weak_path(columns: Columns, index: int) -> bool:
    """Tell whether a column that may hold ids of something else lies beside one of image files."""
    if squash(columns.names[index]) not in WEAK_PATHS or _holds_paths(columns.sample(index)):
        return False
    return any(_holds_paths(columns.sample(other)) for other in range(len(columns.names)))


def _is_weak_split(columns: Columns, index: int) -> bool:
    """Tell whether a column that may be called otherwise holds something else than splits."""
    is_weak = squash(columns.names[index]) in WEAK_SPLITS
    return is_weak and not all(split_name(text) for text in columns.sample(index))


def _no_path_column(columns: Columns) -> str:
    names = columns.names
    if any(is_image_name(name) for name in names):
        return (
            f"{columns.location} has no header: its first line is {','.join(names)}. Put a line "
            "such as path,label above it"
        )
    message = (
        f"{columns.location} has the columns {columns.list_names()}. Expected one called `path` "
        "with the image files; `label`, `split` and `group` are optional"
    )
    likely = [index for index in range(len(names)) if _holds_paths(columns.sample(index))]
    if likely:
        value = columns.sample(likely[0])[0]
        return (
            f"{message}. {names[likely[0]]!r} seems to hold them (such as {value}): "
            f"--path-column {_quoted(names[likely[0]])}"
        )
    if len(names) == 1:
        return f"{message}. Where another character separates the columns: --separator CHARACTER"
    return f"{message}. Name it with --path-column"


def _holds_paths(texts: Sequence[str]) -> bool:
    return bool(texts) and sum(map(is_image_name, texts)) > len(texts) / 2


def _quoted(name: str) -> str:
    return name if name.isidentifier() else repr(name)


def _text(value: Any) -> str | None:
    if value is None or value in ("", b""):
        return None
    if isinstance(value, bytes):
        return os.fsdecode(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str):
        return value.strip() or None
    return None if value != value else str(value)
