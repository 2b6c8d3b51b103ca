"""From what a source says of its samples to codes: classes and splits."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from string import digits

import numpy as np
from numpy.typing import NDArray

from ...cache import NO_LABEL, NO_SPLIT, SPLITS
from ...cache.errors import SourceFormatError
from .files.files import Files, shown

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "eval", "evaluation"), "val"),
    **dict.fromkeys(("test", "testing", "tst", "t10k"), "test"),
}
FILLERS = frozenset(
    ("set", "data", "dataset", "image", "images", "img", "imgs", "photos", "split", "folder")
)
CLASS_NAME_FILES = ("class_names.txt", "classes.txt", "classnames.txt")
MAX_DIGITS = 18


def split_name(text: str) -> str:
    """Return the split that a folder or cell names, such as ``Validation`` or ``test_set``.

    Empty where it names none.
    """
    words = [word for word in name_words(text) if word not in FILLERS]
    return SPLIT_NAMES.get(words[0].removesuffix("set"), "") if len(words) == 1 else ""


def split_within(text: str) -> tuple[str, str]:
    """Return the one split that a name speaks of among other words, and these: ``seg_train``.

    A number behind it counts for nothing: ``train2017``.
    """
    words = {word: SPLIT_NAMES.get(word.rstrip(digits)) for word in name_words(text)}
    splits = {split for split in words.values() if split}
    rest = "_".join(word for word, split in words.items() if not split)
    return (splits.pop(), rest) if len(splits) == 1 else ("", rest)


def name_words(text: str) -> list[str]:
    """Return the words of a name in small letters, without what stands between them."""
    return [word for word in re.split(r"[\W_]+", text.lower()) if word]


def encode_splits(names: Iterable[str | None], where: str) -> NDArray[np.int8]:
    """Return the codes of splits by name, ``(n,)``; -1 where the name is missing or empty.

    Raises
    ------
    SourceFormatError
        A name is none of the usual ones.
    """
    codes: dict[str | None, int] = {None: NO_SPLIT, "": NO_SPLIT}
    column = []
    for name in names:
        if name not in codes:
            split = split_name(name or "")
            if not split and (name or "").strip():
                raise SourceFormatError(
                    f"{where}: unknown split {name!r}. Expected train, val or test"
                )
            codes[name] = SPLITS.index(split) if split else NO_SPLIT
        column.append(codes[name])
    return np.array(column, np.int8)


def encode_labels(names: Sequence[str | None]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return labels ``(n,)``, -1 where the name is missing or empty, and the class names.

    Classes stand in the order of their names; where all are whole numbers, in that of the numbers.
    """
    classes = sorted({name for name in names if name})
    if all(is_whole(name) for name in classes):
        classes.sort(key=lambda name: (int(name), name))
    codes = {name: code for code, name in enumerate(classes)}
    labels = [codes[name] if name else NO_LABEL for name in names]
    return np.array(labels, np.int64), tuple(classes)


def is_whole(name: str) -> bool:
    """Tell whether a name is a whole number."""
    return len(name) <= MAX_DIGITS and name.removeprefix("-").isdecimal()


def similar_classes(class_names: Iterable[str]) -> list[str]:
    """Say which class names differ in nothing but capitals, spaces or the form of an accent."""
    by_form: dict[str, list[str]] = defaultdict(list)
    for name in sorted(class_names):
        form = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
        by_form[form].append(name)
    pairs = [" and ".join(map(repr, names)) for names in by_form.values() if len(names) > 1]
    return [f"{shown(pairs)} are different classes here"] if pairs else []


def read_class_names(files: Files) -> tuple[tuple[str, ...], str]:
    """Return the lines of a file of class names beside the images, and the file's name.

    Both are empty where there is no such file.
    """
    present = {name.lower(): name for name in files.list_folder()}
    for usual in CLASS_NAME_FILES:
        if usual in present:
            text = files.read(present[usual]).decode("utf-8-sig", "replace")
            lines = tuple(line.strip() for line in text.splitlines() if line.strip())
            return lines, present[usual]
    return (), ""


def call_by_name(
    class_names: tuple[str, ...], files: Files, keep_unused: bool = False
) -> tuple[tuple[str, ...], list[str]]:
    """Return the names that a file beside the images gives to classes called 0, 1, 2, …, and notes.

    Classes that are called otherwise keep their names. ``keep_unused`` takes all names of the file,
    where the classes count from 0 without a gap.
    """
    if not class_names or not all(name.isdecimal() for name in class_names):
        return class_names, []
    lines, file = read_class_names(files)
    codes = [int(name) for name in class_names]
    if not lines:
        return class_names, []
    if max(codes) >= len(lines) or len(set(lines)) < len(lines):
        reason = f"{file} is not used: it has {len(set(lines))} names for {max(codes) + 1} classes"
        return class_names, [reason]
    if keep_unused and codes == list(range(len(codes))):
        return lines, [f"classes called as in {file}"]
    return tuple(lines[code] for code in codes), [f"classes called as in {file}"]
