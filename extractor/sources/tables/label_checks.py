"""Columns that hold something else than one class for each image: numbers, lists, one-hot."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from ....cache.errors import SourceFormatError
from ..files.files import shown
from ..files.names import decoded
from ..labels import similar_classes
from .columns import Columns, Roles, squash

MISSING_WORDS = frozenset(("na", "n/a", "none", "null", "nan", "nil", "-", "?"))
MIN_NUMBERS, MIN_FRACTIONS = 10, 3
MAX_STEPS = 20
"""As many different numbers with fractions may be steps of a scale, such as 0.5 to 10 stars."""

FRACTION = re.compile(r"[.,]\d*[1-9]")
LIST_MARKS = (";", "|", ",", "+", "&")
SURE_LIST_MARKS = (";", "|")
NAME_MARKS = (" ", "/")
"""Marks that also stand within the name of one class."""

NUMBER = re.compile(r"[-+]?\d+(?:[-/:.,]\d+)*\s?[^\W\d_]{0,3}[²³]?")
"""Digits with a unit behind them or marks between them, as in ``3 cm``, dates and times."""

LABEL = re.compile(r"(?:label|class|category|target|tag)s?(\d*)")
FLAGS_SET = frozenset(("1", "1.0", "true", "t", "yes", "y", "x"))
FLAGS = FLAGS_SET | {"0", "0.0", "-1", "-1.0", "false", "f", "no", "n"}
SHOWN_VALUES = 3


def read_labels(columns: Columns, roles: Roles, asked: bool) -> tuple[list[str | None], list[str]]:
    """Return the class of each row, None where it has none, and what to know of them.

    Parameters
    ----------
    asked : bool
        Whether the column was named by the user: then numbers are classes.

    Raises
    ------
    SourceFormatError
        There are several labels for an image, or numbers that are measured rather than classes.
    """
    if not asked:
        _refuse_several_columns(columns, roles)
    if len(roles.labels) > 1:
        return _one_hot(columns, roles.labels), []
    if not roles.labels:
        return [None] * columns.n_rows, []
    name = columns.names[roles.labels[0]]
    texts = columns.texts(roles.labels[0])
    labels = [text and decoded(text) for text in texts]
    classes = Counter(label for label in labels if label)
    where = f"{columns.location}: the column {name!r}"
    _refuse_lists(classes, where)
    if not asked:
        _refuse_measurements(classes, where, name)
    encoding = [] if labels == texts else ["labels that are no UTF-8 are read as Windows-1252"]
    return labels, [*encoding, *_notes(classes)]


def _notes(classes: Counter[str]) -> list[str]:
    notes = similar_classes(classes)
    words = [name for name in classes if name.lower() in MISSING_WORDS]
    if words:
        verb = "is a class" if len(words) == 1 else "are classes"
        notes.append(f"{shown(words)} {verb} here; leave the cell empty for no label")
    single = [name for name, n in classes.items() if n == 1]
    if single and len(classes) > 1:
        notes.append(f"a single image in {shown(sorted(single))}")
    return notes


def _refuse_measurements(classes: Counter[str], where: str, name: str) -> None:
    """Refuse a column of numbers that are nearly all distinct."""
    classes = Counter({k: n for k, n in classes.items() if k.lower() not in MISSING_WORDS})
    n_rows = sum(classes.values())
    if not all(map(_is_number, classes)):
        return
    has_fractions = any(FRACTION.search(name) for name in classes)
    least = MIN_FRACTIONS if has_fractions else MIN_NUMBERS
    is_distinct = n_rows >= least and len(classes) > n_rows / 2
    if not is_distinct and not (has_fractions and len(classes) > MAX_STEPS):
        return
    raise SourceFormatError(
        f"{where} holds {len(classes)} different numbers in {n_rows} rows "
        f"({', '.join(list(classes)[:SHOWN_VALUES])}, …), which looks like something measured. "
        "featx trains classes, not regression. To take each number as a class: --label-column "
        f"{name}; to go without labels: --label-column none"
    )


def _is_number(text: str) -> bool:
    try:
        float(text.strip("$€£% ").replace(",", "."))
    except ValueError:
        return NUMBER.fullmatch(text) is not None
    return True


def _refuse_lists(classes: Counter[str], where: str) -> None:
    """Refuse a column in which a cell holds several labels."""
    example = next((name for name in classes if name[0] in "[{" and name[-1] in "]}"), None)
    for mark in LIST_MARKS if example is None else ():
        parts = {name: [p.strip() for p in name.split(mark)] for name in classes if mark in name}
        if parts and (mark in SURE_LIST_MARKS or _recombine(classes, parts)):
            example = next(iter(parts))
            break
    for mark in NAME_MARKS if example is None else ():
        parts = {name: name.split(mark) for name in classes if mark in name}
        if parts and all(part in classes for pieces in parts.values() for part in pieces):
            example = next(iter(parts))
            break
    if example is not None:
        raise SourceFormatError(
            f"{where} holds several labels in a cell, such as {example!r}. featx trains one class "
            "for each image. Keep one label a row, or name another column: --label-column NAME "
            "(none: no labels)"
        )


def _recombine(classes: Counter[str], parts: dict[str, list[str]]) -> bool:
    """Tell whether most parts of composite names also stand alone or in other composites."""
    uses = Counter(part for pieces in parts.values() for part in set(pieces))
    uses.update(name for name in classes if name not in parts)
    repeated = [part for part in uses if uses[part] > 1]
    among_parts = {part for pieces in parts.values() for part in pieces}
    return len(among_parts & set(repeated)) * 2 >= len(among_parts)


def _refuse_several_columns(columns: Columns, roles: Roles) -> None:
    """Refuse several columns of labels, where none was chosen."""
    others = (roles.path, roles.split, roles.group, *roles.box)
    rest = [i for i in range(len(columns.names)) if i not in others]
    named = [
        (name, match) for i in rest if (match := LABEL.fullmatch(squash(name := columns.names[i])))
    ]
    if len(named) > 1 and any(match[1] for _, match in named):
        raise SourceFormatError(
            f"{columns.location} has several columns of labels: {', '.join(n for n, _ in named)}. "
            f"featx trains one class for each image: --label-column {named[0][0]}, or none for no "
            "labels"
        )
    if roles.labels:
        return
    flags = [i for i in rest if (cells := columns.sample(i)) and _are_flags(cells)]
    n_set = [sum(map(_is_set, row)) for row in zip(*map(columns.head, flags), strict=True)]
    if len(flags) < 2 or (set(n_set) != {1} and (len(flags) < 3 or len(flags) < len(rest))):
        return
    names = [columns.names[index] for index in flags]
    joined = ",".join(names)
    raise SourceFormatError(
        f"{columns.location} has the columns {shown(names)} of zeros and ones (or yes and "
        f"no), which look like one-hot labels. To take them: --label-column '{joined}'; to go "
        "without labels: --label-column none"
    )


def _are_flags(cells: Sequence[str]) -> bool:
    return all(cell.lower() in FLAGS for cell in cells)


def _one_hot(columns: Columns, indices: Sequence[int]) -> list[str | None]:
    """Return the class of each row: the name of the column that holds one."""
    labels: list[str | None] = [None] * columns.n_rows
    for index in indices:
        name = columns.names[index]
        for row, cell in enumerate(columns.texts(index)):
            is_set = _flag(cell, columns.location, name, row)
            if is_set and labels[row] is not None:
                raise SourceFormatError(
                    f"{columns.location}: row {row + 1} is both {labels[row]} and {name}. featx "
                    "trains one class for each image. Name one column: --label-column NAME"
                )
            labels[row] = name if is_set else labels[row]
    return labels


def _flag(cell: str | None, where: str, name: str, row: int) -> bool:
    if cell is not None and cell.lower() not in FLAGS:
        raise SourceFormatError(
            f"{where}: row {row + 1} of the column {name!r} holds {cell!r}. Several columns "
            "given to --label-column are one-hot: expected 0 or 1, or yes or no"
        )
    return _is_set(cell)


def _is_set(cell: str | None) -> bool:
    return cell is not None and cell.lower() in FLAGS_SET
