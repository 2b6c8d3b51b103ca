"""Folders of image files: one subfolder per class, splits above them, or flat."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...cache import NO_LABEL, NO_SPLIT, SPLITS, Listing, StringColumn
from ...cache.errors import SourceFormatError
from .base import source_name

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
NOT_IMAGES = frozenset(
    (
        *(".txt", ".md", ".json", ".jsonl", ".csv", ".tsv", ".xml", ".yaml", ".yml", ".toml"),
        *(".html", ".htm", ".pdf", ".py", ".ipynb", ".db", ".ini", ".log", ".npy", ".npz"),
        *(".h5", ".hdf5", ".parquet", ".zip", ".tar", ".gz", ".featx"),
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

    def __init__(self, root: Path) -> None:
        self.root = root
        self.location = str(root.resolve())
        self.name = source_name(root.resolve().name, self.location)
        self.left_out: dict[str, int] = {}
        self._paths = self._find()
        if not self._paths:
            others = ", ".join(f"{n} {suffix}" for suffix, n in self.left_out.items()) or "nothing"
            raise SourceFormatError(
                f"no image files in {root} (found {others}). Expected images, or one subfolder of "
                "images per class"
            )

    def _find(self) -> list[str]:
        found: list[str] = []
        others: Counter[str] = Counter()
        for relative in _walk(self.root):
            suffix = os.path.splitext(relative)[1].lower()  # noqa: PTH122 (names may be no UTF-8)
            if suffix in NOT_IMAGES:
                others[suffix] += 1
            else:
                found.append(relative)
        self.left_out = dict(sorted(others.items()))
        return sorted(found, key=os.fsencode)

    def listing(self) -> Listing:
        """Return ids, labels from the folders' names, and splits."""
        parts = [path.split("/") for path in self._paths]
        tops = {p[0] for p in parts if len(p) > 1}
        has_splits = bool(tops) and all(top.lower() in SPLIT_NAMES for top in tops)
        depth = 1 if has_splits else 0
        classes = [p[depth] if len(p) > depth + 1 else None for p in parts]
        class_names = tuple(sorted({c for c in classes if c is not None}))
        codes = {name: code for code, name in enumerate(class_names)}
        labels = [NO_LABEL if c is None else codes[c] for c in classes]
        splits = [_split_code(p[0]) if has_splits and len(p) > 1 else NO_SPLIT for p in parts]
        return Listing(
            StringColumn.from_strings(self._paths),
            np.array(labels, np.int64),
            np.array(splits, np.int8),
            None,
            class_names,
        )

    def stamps(self) -> NDArray[np.int64]:
        """Return size, mtime and ctime of each file; zeros where a file cannot be looked at."""
        return np.array([_stamp(os.path.join(self.root, p)) for p in self._paths], np.int64)  # noqa: PTH118

    def read(self, index: int) -> bytes:
        """Return the bytes of one file; raises OSError where it cannot be read."""
        with open(os.path.join(self.root, self._paths[index]), "rb") as file:  # noqa: PTH118, PTH123
            return file.read()


def _split_code(folder: str) -> int:
    return SPLITS.index(SPLIT_NAMES[folder.lower()])


def _stamp(path: str) -> tuple[int, int, int]:
    try:
        status = os.stat(path)  # noqa: PTH116 (ten thousand Path objects cost more than the calls)
    except OSError:
        return 0, 0, 0
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _walk(root: Path) -> Iterator[str]:
    """Yield the visible files below ``root`` as relative POSIX paths; links that loop end there."""
    seen = {os.path.realpath(root)}
    for folder, folders, files in os.walk(root, followlinks=True):
        kept = []
        for name in folders:
            real = os.path.realpath(os.path.join(folder, name))  # noqa: PTH118
            if not name.startswith(".") and real not in seen:
                seen.add(real)
                kept.append(name)
        folders[:] = kept
        relative = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = "" if relative == "." else f"{relative}/"
        yield from (f"{prefix}{name}" for name in files if _visible(name))


def _visible(name: str) -> bool:
    return not name.startswith(".") and name != "Thumbs.db"
