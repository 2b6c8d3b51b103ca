"""A confusion matrix as plain text of at most 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_CLASSES = 15
"""Columns of counts that fit beside the classes' names."""
WIDTH = 80
LEAST_NAME = 6
NONE = "·"


def confusion_lines(counts: NDArray[np.int64], class_names: Sequence[str]) -> Iterator[str]:
    """Yield a title, a header and a line for each true class; columns are the predicted classes.

    Counts that do not fit into 80 columns become percentages of their row.

    Parameters
    ----------
    counts : ndarray of int64, shape (n_classes, n_classes)
        True classes are rows.
    class_names : sequence of str
        Columns have the numbers that stand before the names.
    """
    n_digits = len(str(len(class_names)))
    cell, unit = 1 + max(n_digits, len(f"{counts.max():,}")), "images"
    if n_digits + 1 + LEAST_NAME + cell * len(class_names) > WIDTH:
        cell, unit = 4, "percent of the true class"
        counts = (100 * counts / counts.sum(axis=1, keepdims=True).clip(1)).round().astype(int)
    texts = [[f"{count:,}" if count else NONE for count in row] for row in counts.tolist()]
    room = WIDTH - n_digits - 1 - cell * len(class_names)
    names = [_fitting(name, room) for name in class_names]
    width = max(map(len, names))
    yield f"rows: true class, columns: predicted class; {unit}"
    numbers = "".join(f"{number:>{cell}}" for number in range(1, len(names) + 1))
    yield f"{'':{n_digits + 1 + width}}{numbers}"
    for number, (name, row) in enumerate(zip(names, texts, strict=True), 1):
        cells = "".join(f"{text:>{cell}}" for text in row)
        yield f"{number:>{n_digits}} {name:<{width}}{cells}"


def _fitting(name: str, room: int) -> str:
    """Return a name as one printable line of at most ``room`` characters."""
    text = name if name.isprintable() else repr(name)[1:-1]
    return text if len(text) <= room else text[: room - 1] + "…"
