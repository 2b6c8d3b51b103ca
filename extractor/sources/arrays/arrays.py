"""Images that lie in arrays: what IDX, NumPy and pixel tables have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....cache import NO_LABEL, NO_SPLIT, SPLITS, Listing, StringColumn
from ....cache.errors import EmptySourceError, SourceFormatError
from ..files.files import Files, Stamp, plural
from ..labels import call_by_name, split_within
from ..source import Contents, ListedSource, stamp_array

MIN_DIGITS = 5
MAX_GAPS = 1000
"""Labels may count this far beyond the number of images before each needs no class of its own."""


@dataclass(frozen=True)
class ArrayPart:
    """Images that belong together, such as one split.

    Attributes
    ----------
    name : str
        Begins the ids of its images; ``train``, ``val`` or ``test`` where it is that split.
    images : ndarray of uint8, shape (n, h, w) or (n, h, w, channels)
    labels : ndarray of int64, shape (n,)
        -1 where there is none.
    stamp : Stamp
        Of the file that the images come from.
    split : str
        Where the name does not say it.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    stamp: Stamp
    split: str = ""


class ArraySource(ListedSource):
    """Images of one or more arrays, with ids such as ``train/00042``.

    Parameters
    ----------
    parts : sequence of ArrayPart
    location : str
    files : Files
        Beside the arrays, where a file may name the classes.
    class_names : tuple of str
        Empty stands for the labels' own numbers, or the names in that file.
    notes : sequence of str
        What to know of the reading.

    Raises
    ------
    SourceFormatError
        There are more classes than names, or images and labels differ in number.
    """

    def __init__(
        self,
        parts: Sequence[ArrayPart],
        location: str,
        files: Files,
        class_names: tuple[str, ...] = (),
        notes: Sequence[str] = (),
    ) -> None:
        for part in parts:
            if len(part.labels) != len(part.images):
                raise SourceFormatError(
                    f"{location}: {part.name} has {len(part.images)} images but "
                    f"{len(part.labels)} labels"
                )
        self._parts = parts
        self._starts = np.cumsum([0, *(len(part.images) for part in parts)])
        if not self._starts[-1]:
            raise EmptySourceError(f"{location} holds no images")
        labels = np.concatenate([part.labels for part in parts])
        labels, class_names, renamed = _classes(labels, class_names, location, files)
        given = [part.split or part.name for part in parts]
        codes = [SPLITS.index(name) if name in SPLITS else NO_SPLIT for name in given]
        splits = np.repeat(np.array(codes, np.int8), np.diff(self._starts))
        listing = Listing(_sample_ids(parts), labels, splits, None, class_names)
        origin = f"{plural(len(parts), 'array')} ({' and '.join(map(_shape, parts))})"
        super().__init__(location, Contents(listing, origin, (*renamed, *notes)))

    def stamps(self) -> NDArray[np.int64]:
        """Return the stamp of each image's file, repeated for its images."""
        stamps = stamp_array([part.stamp for part in self._parts])
        return np.repeat(stamps, np.diff(self._starts), axis=0)

    def read(self, index: int) -> NDArray[np.uint8]:
        """Return the pixels of one image, ``(h, w)`` or ``(h, w, channels)``."""
        part = int(np.searchsorted(self._starts, index, "right")) - 1
        return np.ascontiguousarray(self._parts[part].images[index - self._starts[part]])


def part_name(stem: str) -> str:
    """Return the split that a file's or array's name speaks of, else the name itself."""
    return split_within(stem)[0] or stem or "image"


def _sample_ids(parts: Sequence[ArrayPart]) -> StringColumn:
    ids: list[str] = []
    for part in parts:
        width = max(MIN_DIGITS, len(str(len(part.images))))
        ids.extend(f"{part.name}/{i:0{width}d}" for i in range(len(part.images)))
    return StringColumn.from_strings(ids)


def _shape(part: ArrayPart) -> str:
    return " × ".join(map(str, part.images.shape))


def _classes(
    labels: NDArray[np.int64], names: tuple[str, ...], location: str, files: Files
) -> tuple[NDArray[np.int64], tuple[str, ...], list[str]]:
    """Return the labels as codes, the classes' names, and notes."""
    if labels.min(initial=NO_LABEL) < NO_LABEL:
        raise SourceFormatError(
            f"{location} holds the label {labels.min()}. Expected classes from 0, or -1 for none"
        )
    n_classes = int(labels.max(initial=NO_LABEL)) + 1
    if names and len(names) < n_classes:
        raise SourceFormatError(
            f"{location}: {len(names)} class names, but the labels count {n_classes} classes"
        )
    if names:
        return labels, names, []
    if n_classes <= len(labels) + MAX_GAPS:
        return labels, *call_by_name(tuple(map(str, range(n_classes))), files, keep_unused=True)
    distinct = np.unique(labels[labels >= 0])
    codes = np.where(labels >= 0, np.searchsorted(distinct, labels), NO_LABEL)
    return codes, tuple(map(str, distinct)), ["labels are far apart: each number is a class"]
