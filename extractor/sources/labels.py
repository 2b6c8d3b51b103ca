"""From what a source says of its samples to codes: classes and splits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ...cache import NO_LABEL, NO_SPLIT, SPLITS
from ...cache.errors import SourceFormatError

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "t10k": "test",
}


def split_code(name: str) -> int:
    """Return the code of a split by any of its usual names; raises KeyError for other names."""
    return SPLITS.index(SPLIT_NAMES[name.lower()])


def encode_splits(names: Iterable[str | None], where: str) -> NDArray[np.int8]:
    """Return the codes of splits by name, ``(n,)``; -1 where the name is missing or empty.

    Raises
    ------
    SourceFormatError
        A name is none of the usual ones.
    """
    codes: dict[str, int] = {}
    column = []
    for name in names:
        if not name:
            column.append(NO_SPLIT)
            continue
        if name not in codes:
            if name.strip().lower() not in SPLIT_NAMES:
                raise SourceFormatError(
                    f"{where}: unknown split {name!r}. Expected train, val or test"
                )
            codes[name] = split_code(name.strip())
        column.append(codes[name])
    return np.array(column, np.int8)


def encode_labels(names: Sequence[str | None]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return labels ``(n,)``, -1 where the name is missing or empty, and the class names.

    Classes stand in the order of their names; where all are whole numbers, in that of the numbers.
    """
    known = sorted({name for name in names if name})
    if all(name.lstrip("-").isdecimal() for name in known):
        known.sort(key=lambda name: (int(name), name))
    codes = {name: code for code, name in enumerate(known)}
    labels = [codes[name] if name else NO_LABEL for name in names]
    return np.array(labels, np.int64), tuple(known)
