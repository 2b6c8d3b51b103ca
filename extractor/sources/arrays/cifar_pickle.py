"""The pickled batches of CIFAR, as torchvision unpacks them, read without running what is in them.

A pickle calls functions by name. Here every name that CIFAR's files need stands for an inert record
of what was passed to it, and every other name is refused: nothing is imported, and neither code of
the file nor of NumPy runs on its values.
"""

from __future__ import annotations

import io
import pickle
import posixpath
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache import NO_LABEL
from ....cache.errors import SourceFormatError
from ..files.files import NO_STAMP, Files
from ..kind import SourceKind
from ..source_options import SourceOptions
from .arrays import ArrayPart, ArraySource
from .binaries import (
    CIFAR_SIDE,
    COARSE,
    FINE,
    N_CHANNELS,
    chosen_labels,
    cifar_images,
    fine_or_coarse,
    split_of,
)

BATCHES = re.compile(r"data_batch_\d+|test_batch|train|test")
META = ("batches.meta", "meta")
PROTOCOL_MARK = b"\x80"
LABELS = {"labels": "label", "fine_labels": FINE, "coarse_labels": COARSE}
NAMES = {"label": "label_names", FINE: "fine_label_names", COARSE: "coarse_label_names"}
N_VALUES = N_CHANNELS * CIFAR_SIDE**2


class _Record:
    """What a pickle passes to a function or class of NumPy, and nothing done with it."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments, self.state = arguments, ()

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Array(_Record):
    pass


class _DType(_Record):
    pass


class _Bytes(_Record):
    """Bytes that Python 3 wrote as text of Latin-1, as it does into old kinds of pickles."""


STAND_INS = {"_reconstruct": _Array, "ndarray": _Array, "dtype": _DType, "encode": _Bytes}
MODULES = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "_codecs")


class _Reader(pickle.Unpickler):
    """Builds plain values and stand-ins only."""

    def find_class(self, module: str, name: str) -> Any:
        if module not in MODULES or name not in STAND_INS:
            raise pickle.UnpicklingError(f"it calls {module}.{name}, which no batch of CIFAR does")
        return STAND_INS[name]


def open_pickles(files: Files, names: Sequence[str], options: SourceOptions) -> ArraySource:
    """Open pickled batches of CIFAR-10 or CIFAR-100.

    Raises
    ------
    SourceFormatError
        A file is damaged, holds something else, or would call other code.
    """
    names = sorted(names, key=lambda name: (split_of(name) != "train", name))
    location = f"{files.location}/{names[0]}" if len(names) == 1 else files.location
    batches = [_read(files, name) for name in names]
    kinds = [kind for key, kind in LABELS.items() if key in batches[0]]
    kind = chosen_labels(options, kinds or ["label"], location)
    parts = [_part(files, n, batch, kind) for n, batch in zip(names, batches, strict=True)]
    meta = _meta(files, names[0])
    class_names = tuple(map(_text, meta.get(NAMES.get(kind, ""), ())))
    return ArraySource(parts, location, files, class_names, fine_or_coarse(kind))


def is_pickle(files: Files, name: str) -> bool:
    """Tell whether a file is a batch of CIFAR: by its name, what lies beside it, its first byte."""
    folder, base = posixpath.split(name)
    if not BATCHES.fullmatch(base):
        return False
    beside = files.list_folder(folder)
    try:
        return any(meta in beside for meta in META) and (
            files.read_range(name, 0, 1) == PROTOCOL_MARK
        )
    except OSError:
        return False


def _part(files: Files, name: str, batch: dict[str, Any], kind: str) -> ArrayPart:
    where = f"{files.location}/{name}"
    images = cifar_images(_pixels(batch.get("data"), where))
    labels = np.full(len(images), NO_LABEL, np.int64)
    if kind:
        key = next(key for key, labels_kind in LABELS.items() if labels_kind == kind)
        values = batch.get(key)
        if not isinstance(values, list) or not all(isinstance(v, int) for v in values):
            raise SourceFormatError(f"{where} holds no list of numbers called {key}")
        labels = np.array(values, np.int64)
    stamp = files.stamp(name) or NO_STAMP
    return ArrayPart(posixpath.basename(name), images, labels, stamp, split_of(name))


def _pixels(array: Any, where: str) -> NDArray[np.uint8]:
    """Return the values of a pickled array of bytes, ``(n, 3072)``."""
    _, _, dtype, is_fortran, content = array.state if _is_array(array) else (None,) * 5
    if isinstance(content, _Bytes):
        content = _text(content).encode("latin-1", "replace")
    is_bytes = isinstance(dtype, _DType) and dtype.arguments[:1] in (("u1",), (b"u1",))
    if not is_bytes or is_fortran or not isinstance(content, bytes) or len(content) % N_VALUES:
        raise SourceFormatError(
            f"{where} holds no array `data` of bytes, {N_VALUES:,} of them a row, as CIFAR has it"
        )
    return np.frombuffer(content, np.uint8).reshape(-1, N_VALUES)


def _is_array(value: Any) -> bool:
    return isinstance(value, _Array) and isinstance(value.state, tuple) and len(value.state) == 5


def _meta(files: Files, name: str) -> dict[str, Any]:
    folder = posixpath.dirname(name)
    beside = files.list_folder(folder)
    meta = next((file for file in META if file in beside), None)
    return {} if meta is None else _read(files, posixpath.join(folder, meta))


def _read(files: Files, name: str) -> dict[str, Any]:
    where = f"{files.location}/{name}"
    try:
        value = _Reader(io.BytesIO(files.read(name)), encoding="bytes").load()
    # A damaged pickle raises nearly every builtin error.
    except Exception as error:
        raise SourceFormatError(f"{where} is no batch of CIFAR: {error}") from error
    if not isinstance(value, dict):
        raise SourceFormatError(f"{where} is no batch of CIFAR: it holds no dict")
    return {_text(key): item for key, item in value.items()}


def _text(value: Any) -> str:
    if isinstance(value, _Bytes):
        value = value.arguments[0] if value.arguments else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


KIND = SourceKind(
    name="batches of CIFAR",
    expected="the pickled batches of CIFAR (data_batch_1, …)",
    open=open_pickles,
    reads=is_pickle,
    gathers=True,
    reads_columns=True,
)
