"""Labels of flat images from a table that lies beside them."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from ....cache import StringColumn
from ....cache.errors import SourceError, SourceFormatError
from ..files.files import Files, Tree, plural, shown
from ..source_options import SourceOptions
from ..tables.columns import Columns, Roles, choose_roles
from ..tables.find_files import FileIndex
from ..tables.label_checks import read_labels
from ..tables.table import is_table, read_table

USUAL_STEMS = ("metadata", "labels", "label", "annotations", "train_labels", "train", "index")
NO_LABELS = "submission"
MAX_TABLES = 20


@dataclass
class LabelsBeside:
    """What tables beside images say of them.

    Attributes
    ----------
    labels, splits : list of str or None, one for each image
    groups : StringColumn or None
    tables : list of str
        The tables that were used.
    notes : list of str
    """

    labels: list[str | None]
    splits: list[str | None]
    groups: StringColumn | None = None
    tables: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def origin(self) -> str:
        """What the labels come from; empty where there are none."""
        return shown(self.tables)


@dataclass(frozen=True)
class _Match:
    """A table and the rows that name an image, by the image's number."""

    name: str
    columns: Columns
    roles: Roles
    rows: dict[int, list[int]]


def labels_beside(
    files: Files, tree: Tree, paths: Sequence[str], options: SourceOptions
) -> LabelsBeside:
    """Return what tables that lie in the folders of images, or above them, say of the images.

    A table counts where it has a column of paths and one of labels, and names any of the images.

    Raises
    ------
    SourceFormatError
        Several tables name the same images, or a column holds no classes.
    """
    result = LabelsBeside([None] * len(paths), [None] * len(paths))
    groups: list[str] = [""] * len(paths)
    for match in _choose(_matches(files, tree, paths, options), files.location):
        if not match.roles.labels:
            columns = shown(match.roles.unused(match.columns)) or "none"
            result.notes.append(
                f"{match.name} gives no labels (--label-column NAME takes one of: {columns})"
            )
            continue
        if match.roles.box:
            raise SourceFormatError(
                f"--crop-columns takes boxes from a table that is the source itself: name "
                f"{files.location}/{match.name}"
            )
        texts, notes = read_labels(match.columns, match.roles, options.label_column is not None)
        _refuse_differing(match, texts, paths)
        _spread(texts, match.rows, result.labels)
        if match.roles.split is not None:
            _spread(match.columns.texts(match.roles.split), match.rows, result.splits)
        if match.roles.group is not None:
            cells = match.columns.texts(match.roles.group)
            for image, (row, *_) in match.rows.items():
                groups[image] = cells[row] or ""
        result.tables.append(match.name)
        result.notes += [*notes, *_unnamed(match)]
    if any(groups):
        result.groups = StringColumn.from_strings(groups)
    return result


def _matches(
    files: Files, tree: Tree, paths: Sequence[str], options: SourceOptions
) -> list[_Match]:
    folders = {posixpath.dirname(path) for path in paths}
    above = {parent for folder in folders for parent in _parents(folder)}
    tables = sorted(n for n in tree.names if is_table(files, n) and posixpath.dirname(n) in above)
    matches = []
    for name in tables[:MAX_TABLES]:
        if NO_LABELS not in name.lower():
            match = _match(files, name, paths, options)
            matches += [match] if match else []
    return matches


def _parents(folder: str) -> list[str]:
    """Return a folder with all that it lies in, the source's own last."""
    parts = folder.split("/") if folder else []
    return ["/".join(parts[:n]) for n in range(len(parts), -1, -1)]


def _match(files: Files, name: str, paths: Sequence[str], options: SourceOptions) -> _Match | None:
    try:
        columns = read_table(files, name, options)
        roles = choose_roles(columns, options)
    except SourceError:
        if options.names_columns:
            raise
        return None  # some other table: it stays among what is left out
    folder = posixpath.dirname(name)
    start = f"{folder}/" if folder else ""
    below = {path: row for row, path in enumerate(paths) if path.startswith(start)}
    index = FileIndex(below)
    rows: dict[int, list[int]] = defaultdict(list)
    for number, text in enumerate(columns.texts(roles.path)):
        cell = (text or "").replace("\\", "/")
        exact = posixpath.normpath(posixpath.join(folder, cell))
        matches = [exact] if exact in below else index.find(cell) if cell else []
        if len(matches) > 1:
            raise SourceFormatError(
                f"{columns.location}: row {number + 1}, {text!r}, fits several images: "
                f"{shown(matches)}. Expected paths with the folder and the ending"
            )
        if matches:
            rows[below[matches[0]]].append(number)
    return _Match(name, columns, roles, rows) if rows else None


def _choose(matches: list[_Match], where: str) -> list[_Match]:
    """Return one table for each image: the one that is called as usual where several name it."""

    def rank(match: _Match) -> tuple[bool, int]:
        stem = posixpath.basename(match.name).split(".")[0].lower()
        order = USUAL_STEMS.index(stem) if stem in USUAL_STEMS else len(USUAL_STEMS)
        return not match.roles.labels, order

    chosen: list[_Match] = []
    for match in sorted(matches, key=rank):
        rivals = [other for other in chosen if other.rows.keys() & match.rows.keys()]
        if not rivals:
            chosen.append(match)
        elif not match.roles.labels:
            continue
        elif rank(rivals[0]) == rank(match):
            raise SourceFormatError(
                f"{where} holds two tables that label the same images: {rivals[0].name} and "
                f"{match.name}. Name the one to use as the source"
            )
    return chosen


def _refuse_differing(match: _Match, texts: Sequence[str | None], paths: Sequence[str]) -> None:
    """Refuse rows that give one image different labels."""
    for image, rows in match.rows.items():
        labels = sorted({text for row in rows if (text := texts[row])})
        if len(labels) > 1:
            raise SourceFormatError(
                f"{match.columns.location} gives {paths[image]} several labels: {shown(labels)}. "
                "featx trains one class for each image. To go without labels: --label-column none; "
                f"where a row is a box: {match.name} as the source, with --crop-columns x,y,w,h"
            )


def _spread(
    texts: Sequence[str | None], rows: dict[int, list[int]], column: list[str | None]
) -> None:
    """Write the table's cells to the images that they belong to."""
    for image, (row, *_) in rows.items():
        column[image] = texts[row]


def _unnamed(match: _Match) -> list[str]:
    """Count the rows of a table that name no image."""
    n_left = match.columns.n_rows - sum(map(len, match.rows.values()))
    return [f"{plural(n_left, 'row')} of {match.name} without an image here"] if n_left else []
