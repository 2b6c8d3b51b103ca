"""Folders of image files: one subfolder per class, splits above them, or flat."""

from __future__ import annotations

import os
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from ...cache import NO_LABEL, NO_SPLIT, Listing, StringColumn
from ...cache.errors import SourceFormatError
from .base import source_name
from .files import Files, read_stamps
from .labels import SPLIT_NAMES, split_code

NOT_IMAGES = frozenset(
    (
        *(".txt", ".md", ".json", ".jsonl", ".csv", ".tsv", ".xml", ".yaml", ".yml", ".toml"),
        *(".html", ".htm", ".pdf", ".py", ".ipynb", ".db", ".ini", ".log", ".npy", ".npz"),
        *(".h5", ".hdf5", ".keras", ".parquet", ".zip", ".tar", ".gz", ".featx"),
        *(".mp4", ".mov", ".avi", ".mp3", ".wav"),
    )
)


class FolderSource:
    """Image files below a folder, in the order of their relative paths.

    The first folder below the root is the class; where the folders there are named ``train``,
    ``val`` or ``test``, the second is. Files right in the root have no label. Hidden files are
    passed over; files that say by their ending that they are no images are counted in ``left_out``;
    every other file counts as an image, so that a broken one is reported and not overlooked.

    Raises
    ------
    SourceFormatError
        There is no image file below the folder.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self.location = files.location
        self.name = source_name(self.location.rsplit("/", 1)[-1], self.location)
        self.left_out: dict[str, int] = {}
        self._paths = StringColumn.from_strings(self._find())
        if not self._paths:
            others = ", ".join(f"{n} {suffix}" for suffix, n in self.left_out.items()) or "nothing"
            raise SourceFormatError(
                f"no image files in {self.location} (found {others}). Expected images, or one "
                "subfolder of images per class"
            )

    def _find(self) -> list[str]:
        found: list[str] = []
        others: Counter[str] = Counter()
        for relative in self._files.walk():
            suffix = os.path.splitext(relative)[1].lower()  # noqa: PTH122 (names may be no UTF-8)
            if suffix in NOT_IMAGES:
                others[suffix] += 1
            else:
                found.append(relative)
        self.left_out = dict(sorted(others.items()))
        return sorted(found, key=os.fsencode)

    def listing(self) -> Listing:
        """Return ids, labels from the folders' names, and splits."""
        tops = {path.split("/", 1)[0] for path in self._paths if "/" in path}
        has_splits = bool(tops) and all(top.lower() in SPLIT_NAMES for top in tops)
        depth = 1 if has_splits else 0
        codes: dict[str, int] = {}
        labels = np.full(len(self._paths), NO_LABEL, np.int64)
        splits = np.full(len(self._paths), NO_SPLIT, np.int8)
        for row, path in enumerate(self._paths):
            parts = path.split("/", depth + 1)
            if len(parts) > depth + 1:
                labels[row] = codes.setdefault(parts[depth], len(codes))
            if has_splits and len(parts) > 1:
                splits[row] = split_code(parts[0])
        class_names = sorted(codes)
        order = np.zeros(len(codes), np.int64)
        for place, name in enumerate(class_names):
            order[codes[name]] = place
        labels[labels >= 0] = order[labels[labels >= 0]]
        return Listing(self._paths, labels, splits, None, tuple(class_names))

    def stamps(self) -> NDArray[np.int64]:
        """Return the stamp of each file; zeros where a file cannot be looked at."""
        return read_stamps(self._files, self._paths)

    def read(self, index: int) -> bytes:
        """Return the bytes of one file; raises OSError where it cannot be read."""
        return self._files.read(self._paths[index])
