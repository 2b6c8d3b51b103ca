"""The binary files of CIFAR-10, CIFAR-100 and STL-10.

CIFAR (https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version"): records of one label, or a
coarse and a fine one, and 32 × 32 red, green and blue values, row by row. STL-10
(https://cs.stanford.edu/~acoates/stl10): 96 × 96 values for each channel, column by column; labels
count from 1.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....cache import NO_LABEL
from ....cache.errors import SourceFormatError
from ..files.files import NO_STAMP, Files
from ..files.local import LocalFiles
from ..kind import SourceKind
from ..labels import split_within
from ..source_options import NO_COLUMN, SourceOptions
from .arrays import ArrayPart, ArraySource

FINE, COARSE = "fine", "coarse"
CIFAR_SIDE, STL_SIDE, N_CHANNELS = 32, 96, 3
CIFAR_10 = re.compile(r"(data_batch_\d+|test_batch)\.bin")
CIFAR_100 = re.compile(r"(train|test)\.bin")
STL_10 = re.compile(r"(train|test|unlabeled)_X\.bin")
STL_LABELS = re.compile(r"(train|test)_y\.bin")
CIFAR_100_NAMES = {FINE: "fine_label_names.txt", COARSE: "coarse_label_names.txt"}


@dataclass(frozen=True)
class LabelledArrays:
    """Images of one data set, whose parts share the names of their classes.

    Attributes
    ----------
    parts : list of ArrayPart
    class_names : tuple of str
        Empty where no file names them.
    notes : tuple of str
    """

    parts: list[ArrayPart]
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def open_binaries(files: Files, names: Sequence[str], options: SourceOptions) -> ArraySource:
    """Open binary files of CIFAR or STL-10; the labels of CIFAR-100 are the fine ones.

    Raises
    ------
    SourceFormatError
        A file is cut short, there are labels alone, or ``--label-column`` names other labels.
    """
    names = sorted(names, key=lambda name: (split_of(name) != "train", name))
    location = f"{files.location}/{names[0]}" if len(names) == 1 else files.location
    bases = [posixpath.basename(name) for name in names]
    if any(map(STL_10.fullmatch, bases)):
        images = [n for n, b in zip(names, bases, strict=True) if STL_10.fullmatch(b)]
        found = _read_stl(files, images, options)
    elif all(map(STL_LABELS.fullmatch, bases)):
        raise SourceFormatError(f"{location} holds labels and no images. Expected train_X.bin")
    elif any(map(CIFAR_10.fullmatch, bases)):
        found = _read_cifar_10(files, names, options)
    else:
        found = _read_cifar_100(files, names, options)
    return ArraySource(found.parts, location, files, found.class_names, found.notes)


def is_binary(files: Files, name: str) -> bool:
    """Tell whether a file is one of these: by its name, for CIFAR-100 also by its size."""
    base = posixpath.basename(name)
    if CIFAR_10.fullmatch(base) or STL_10.fullmatch(base) or STL_LABELS.fullmatch(base):
        return True
    if not CIFAR_100.fullmatch(base):
        return False
    beside = files.list_folder(posixpath.dirname(name))
    n_bytes = (files.stamp(name) or NO_STAMP)[0]
    is_whole = n_bytes > 0 and n_bytes % (2 + N_CHANNELS * CIFAR_SIDE**2) == 0
    return is_whole or CIFAR_100_NAMES[FINE] in beside


def split_of(name: str) -> str:
    """Return the split of a file of CIFAR: its batches are train, save the one for testing."""
    base = posixpath.basename(name)
    return "train" if base.startswith("data_batch") else split_within(base.split(".")[0])[0]


def chosen_labels(options: SourceOptions, kinds: Sequence[str], where: str) -> str:
    """Return which labels ``--label-column`` takes, by default the first kind; empty for none.

    Raises
    ------
    SourceFormatError
        There are no labels of that name.
    """
    wanted = options.label_column
    if wanted is None:
        return kinds[0]
    if wanted == NO_COLUMN or wanted in kinds:
        return wanted if wanted in kinds else ""
    raise SourceFormatError(
        f"{where} has no labels called {wanted!r}. Expected --label-column "
        f"{', '.join(kinds)} or none"
    )


def fine_or_coarse(kind: str) -> tuple[str, ...]:
    """Say that the labels of CIFAR-100 are the fine ones, and how to take the others."""
    return ("fine labels (--label-column coarse takes the 20 coarse ones)",) if kind == FINE else ()


def _read_cifar_10(files: Files, names: Sequence[str], options: SourceOptions) -> LabelledArrays:
    kind = chosen_labels(options, ("label",), files.location)
    parts = [_cifar_part(files, name, 1, 0 if kind else None) for name in names]
    return LabelledArrays(parts, _lines(files, names[0], "batches.meta.txt"))


def _read_cifar_100(files: Files, names: Sequence[str], options: SourceOptions) -> LabelledArrays:
    kinds = (FINE, COARSE)
    kind = chosen_labels(options, kinds, files.location)
    byte = {COARSE: 0, FINE: 1}.get(kind)
    parts = [_cifar_part(files, name, 2, byte) for name in names]
    class_names = _lines(files, names[0], CIFAR_100_NAMES[kind]) if kind else ()
    return LabelledArrays(parts, class_names, fine_or_coarse(kind))


def _cifar_part(files: Files, name: str, n_labels: int, byte: int | None) -> ArrayPart:
    n_bytes = n_labels + N_CHANNELS * CIFAR_SIDE**2
    records = _records(files, name, n_bytes)
    images = cifar_images(records[:, n_labels:])
    labels = np.full(len(records), NO_LABEL, np.int64)
    if byte is not None:
        labels = records[:, byte].astype(np.int64)
    stem = posixpath.basename(name).split(".")[0]
    return ArrayPart(stem, images, labels, files.stamp(name) or NO_STAMP, split_of(name))


def cifar_images(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return rows of 3,072 values of CIFAR as images ``(n, 32, 32, 3)``."""
    planes = rows.reshape(-1, N_CHANNELS, CIFAR_SIDE, CIFAR_SIDE)
    return planes.transpose(0, 2, 3, 1)


def _read_stl(files: Files, names: Sequence[str], options: SourceOptions) -> LabelledArrays:
    kind = chosen_labels(options, ("label",), files.location)
    parts = []
    for name in names:
        rows = _records(files, name, N_CHANNELS * STL_SIDE**2)
        images = rows.reshape(-1, N_CHANNELS, STL_SIDE, STL_SIDE).transpose(0, 3, 2, 1)
        labels = np.full(len(images), NO_LABEL, np.int64)
        twin = name.replace("_X.bin", "_y.bin")
        if kind and files.stamp(twin) is not None:
            labels = _records(files, twin, 1)[:, 0].astype(np.int64) - 1
        stem = posixpath.basename(name).split("_")[0]
        parts.append(ArrayPart(stem, images, labels, files.stamp(name) or NO_STAMP))
    return LabelledArrays(parts, _lines(files, names[0], "class_names.txt") if kind else ())


def _records(files: Files, name: str, n_bytes: int) -> NDArray[np.uint8]:
    """Return a file as records of so many bytes; a local one is mapped, not read."""
    where = f"{files.location}/{name}"
    try:
        if isinstance(files, LocalFiles):
            content: NDArray[np.uint8] = np.memmap(files.root / name, np.uint8, "r")
        else:
            content = np.frombuffer(files.read(name), np.uint8)
    except (OSError, ValueError) as error:  # NumPy maps no empty file
        raise SourceFormatError(f"{where} cannot be read ({error})") from error
    if len(content) % n_bytes:
        raise SourceFormatError(
            f"{where} has {len(content):,} bytes, which are no whole records of {n_bytes:,}: it is "
            "cut short, or no file of CIFAR or STL-10. Get it again"
        )
    return content.reshape(-1, n_bytes)


def _lines(files: Files, name: str, beside: str) -> tuple[str, ...]:
    """Return the lines of a file beside another one; none where it is not there."""
    path = posixpath.join(posixpath.dirname(name), beside)
    if files.stamp(path) is None:
        return ()
    lines = files.read(path).decode("utf-8-sig", "replace").splitlines()
    return tuple(line.strip() for line in lines if line.strip())


KIND = SourceKind(
    name="binary files",
    expected="binary files of CIFAR or STL-10 (.bin)",
    open=open_binaries,
    reads=is_binary,
    gathers=True,
    reads_columns=True,
)
