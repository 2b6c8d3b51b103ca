"""Images in NumPy's own files: .npz archives and .npy arrays."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache import NO_LABEL
from ....cache.errors import SourceFormatError
from ..files.files import NO_STAMP, Files, buffered, shown
from ..files.local import LocalFiles
from ..kind import SourceKind
from ..labels import encode_labels
from ..source_options import SourceOptions
from .arrays import ArrayPart, ArraySource, part_name
from .checks import check_images, check_labels

ENDINGS = (".npz", ".npy")
IMAGES = re.compile(
    r"(?:(?P<before>\w+?)[_-])?(?P<word>x|images?|data)(?:[_-](?P<after>\w+))?", re.I
)
LABEL_WORDS = ("y", "labels", "label", "targets")
CLASS_NAMES_KEY = "class_names"


def open_numpy(files: Files, names: Sequence[str], _options: SourceOptions) -> ArraySource:
    """Open an ``.npz`` or ``.npy`` file of images; nothing that is pickled is loaded.

    An ``.npz`` holds ``X`` and ``y`` (or ``x``, ``images``; ``labels``), or a pair for each split
    as ``x_train``, ``y_train``, ``x_test``, ``y_test``; ``class_names`` may name the classes.
    Beside ``X.npy`` or ``images.npy`` the labels lie in ``y.npy`` or ``labels.npy``.

    Raises
    ------
    SourceFormatError
        There are no images of uint8 in the file, or the labels do not fit them.
    """
    (name,) = names
    location = f"{files.location}/{name}"
    try:
        arrays = _read_npz(files, name) if name.lower().endswith(".npz") else _read_npy(files, name)
    # NumPy raises ValueError for damage and for pickled objects.
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise SourceFormatError(f"{location}: not a readable NumPy file ({error})") from error
    pairs = {key: label for key in arrays if (label := _label_key(key, arrays)) is not None}
    if not pairs:
        raise SourceFormatError(
            f"{location} holds {', '.join(arrays) or 'nothing'}. Expected images as X, x or images "
            "(or x_train and x_test), uint8 of shape (n, height, width[, channels])"
        )
    return _source(files, name, location, arrays, pairs)


def _source(
    files: Files,
    name: str,
    location: str,
    arrays: Mapping[str, NDArray[Any]],
    pairs: Mapping[str, str],
) -> ArraySource:
    given = {key: check_labels(arrays[label], location) for key, label in pairs.items() if label}
    names = _class_names(arrays)
    texts = [text for labels in given.values() if labels.dtype.kind == "U" for text in labels]
    if texts:
        names = encode_labels(texts)[1]
    codes = {text: code for code, text in enumerate(names)}
    parts, notes = [], []
    stamp = files.stamp(name) or NO_STAMP
    for key in pairs:
        images, remarks = check_images(arrays[key], f"{location}: {key}")
        labels = given.get(key, np.full(len(images), NO_LABEL, np.int64))
        if labels.dtype.kind == "U":
            labels = np.array([codes.get(text, NO_LABEL) for text in labels], np.int64)
        parts.append(ArrayPart(_part(key), images, labels, stamp))
        notes += remarks
    unused = [key for key in arrays if key not in {*pairs, *pairs.values(), CLASS_NAMES_KEY}]
    if unused:
        notes.append(f"arrays not used: {shown(unused)}")
    return ArraySource(parts, location, files, names, notes)


def _read_npz(files: Files, name: str) -> dict[str, NDArray[Any]]:
    with np.load(buffered(files, name), allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def _read_npy(files: Files, name: str) -> dict[str, NDArray[Any]]:
    arrays = {name[: -len(".npy")]: _load_npy(files, name)}
    beside = set(files.list_folder())
    stem = name[: -len(".npy")]
    for label in _label_names(stem):
        if f"{label}.npy" in beside:
            arrays[label] = _load_npy(files, f"{label}.npy")
            break
    # A lone array is taken for images whatever it is called.
    return arrays if IMAGES.fullmatch(stem) else {"images": arrays[stem]}


def _load_npy(files: Files, name: str) -> NDArray[Any]:
    if isinstance(files, LocalFiles):
        array: NDArray[Any] = np.load(files.root / name, mmap_mode="r", allow_pickle=False)
        return array
    array = np.load(buffered(files, name), allow_pickle=False)
    return array


def _label_key(key: str, arrays: Mapping[str, Any]) -> str | None:
    """Return the key of the labels of the images at ``key``; empty where they have none, and None
    where ``key`` are no images.
    """
    if not IMAGES.fullmatch(key):
        return None
    by_name = {other.lower(): other for other in arrays}
    return next((by_name[n.lower()] for n in _label_names(key) if n.lower() in by_name), "")


def _label_names(key: str) -> list[str]:
    """Return the names that the labels of the images ``key`` may have: y_train for x_train."""
    match = IMAGES.fullmatch(key)
    if match is None:
        return []
    before, after = match["before"] or "", match["after"] or ""
    separator = "-" if "-" in key else "_"
    return [separator.join(filter(None, (before, word, after))) for word in LABEL_WORDS]


def _part(key: str) -> str:
    match = IMAGES.fullmatch(key)
    words = (match["before"], match["after"]) if match else ()
    return part_name("_".join(word for word in words if word))


def _class_names(arrays: Mapping[str, NDArray[Any]]) -> tuple[str, ...]:
    if CLASS_NAMES_KEY not in arrays:
        return ()
    return tuple(str(name) for name in arrays[CLASS_NAMES_KEY])


KIND = SourceKind(
    name="NumPy file",
    expected="arrays (.npz, .npy)",
    open=open_numpy,
    reads=lambda _files, name: name.lower().endswith(ENDINGS),
)
