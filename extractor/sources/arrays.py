"""Images that lie in arrays: what IDX, NumPy and pixel tables have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...cache import NO_LABEL, NO_SPLIT, SPLITS, Listing, StringColumn
from ...cache.errors import SourceFormatError
from .base import source_name
from .files import Files, Stamp
from .labels import SPLIT_NAMES

CLASS_NAMES = "class_names.txt"
MIN_DIGITS = 5


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
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    stamp: Stamp


class ArraySource:
    """Images of one or more arrays, with ids such as ``train/00042``.

    Parameters
    ----------
    parts : sequence of ArrayPart
    location : str
    class_names : tuple of str
        Empty stands for the labels' own numbers.

    Raises
    ------
    SourceFormatError
        There are more classes than names, or images and labels differ in number.
    """

    def __init__(
        self, parts: Sequence[ArrayPart], location: str, class_names: tuple[str, ...] = ()
    ) -> None:
        self._parts = parts
        self.location = location
        self.name = source_name(location.rsplit("/", 1)[-1], location)
        self.left_out: dict[str, int] = {}
        for part in parts:
            if len(part.labels) != len(part.images):
                raise SourceFormatError(
                    f"{location}: {part.name} has {len(part.images)} images but "
                    f"{len(part.labels)} labels"
                )
        self._starts = np.cumsum([0, *(len(part.images) for part in parts)])
        self._class_names = self._classes(class_names)

    def listing(self) -> Listing:
        """Return ids with labels and splits."""
        ids: list[str] = []
        for part in self._parts:
            width = max(MIN_DIGITS, len(str(len(part.images))))
            ids.extend(f"{part.name}/{i:0{width}d}" for i in range(len(part.images)))
        labels = np.concatenate([part.labels for part in self._parts])
        codes = [SPLITS.index(p.name) if p.name in SPLITS else NO_SPLIT for p in self._parts]
        splits = np.repeat(np.array(codes, np.int8), np.diff(self._starts))
        return Listing(StringColumn.from_strings(ids), labels, splits, None, self._class_names)

    def stamps(self) -> NDArray[np.int64]:
        """Return the stamp of each image's file, repeated for its images."""
        stamps = np.array([part.stamp for part in self._parts], np.int64)
        return np.repeat(stamps, np.diff(self._starts), axis=0)

    def read(self, index: int) -> NDArray[np.uint8]:
        """Return the pixels of one image, ``(h, w)`` or ``(h, w, channels)``."""
        part = int(np.searchsorted(self._starts, index, "right")) - 1
        return np.ascontiguousarray(self._parts[part].images[index - self._starts[part]])

    def _classes(self, names: tuple[str, ...]) -> tuple[str, ...]:
        n_classes = max(int(part.labels.max(initial=NO_LABEL)) for part in self._parts) + 1
        if not names:
            return tuple(str(code) for code in range(n_classes))
        if len(names) < n_classes:
            raise SourceFormatError(
                f"{self.location}: {len(names)} class names, but the labels count {n_classes} "
                "classes"
            )
        return names


def part_name(stem: str) -> str:
    """Return the split that a file's or array's name speaks of, else the name itself."""
    words = stem.lower().replace("-", "_").replace(".", "_").split("_")
    splits = {SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES}
    return splits.pop() if len(splits) == 1 else stem or "image"


def read_class_names(files: Files) -> tuple[str, ...]:
    """Return the lines of a ``class_names.txt`` beside the images; empty where there is none."""
    try:
        text = files.read(CLASS_NAMES).decode("utf-8")
    except OSError:
        return ()
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def check_images(images: NDArray[np.generic], where: str) -> NDArray[np.uint8]:
    """Return ``images`` where they are ``(n, h, w[, 1|3|4])`` of uint8.

    Raises
    ------
    SourceFormatError
        They have another shape or type; the message says what to do.
    """
    if images.dtype != np.uint8:
        raise SourceFormatError(
            f"{where} holds {images.dtype}, expected uint8 from 0 to 255. Convert it first: "
            "multiply by 255 where it runs from 0 to 1, and add to it where it is centred"
        )
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3, 4)):
        raise SourceFormatError(
            f"{where} has the shape {images.shape}, expected (n, height, width) or (n, height, "
            "width, channels) with 1, 3 or 4 channels"
        )
    return images.view(np.uint8)
