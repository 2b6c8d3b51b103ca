"""IDX pairs, the format of MNIST (http://yann.lecun.com/exdb/mnist, "FILE FORMATS")."""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ....cache import NO_LABEL
from ....cache.errors import SourceFormatError
from ..files.files import NO_STAMP, Files
from ..kind import SourceKind
from ..source_options import SourceOptions
from .arrays import ArrayPart, ArraySource, part_name

IMAGES_MARK = re.compile(r"images([.-])idx3-ubyte")
ANY_MARK = re.compile(r"(images|labels)[.-]idx[13]-ubyte")
UNSIGNED_BYTE = 0x08


def open_idx(files: Files, names: Sequence[str], _options: SourceOptions) -> ArraySource:
    """Open IDX image files, gzip or not, with the labels that lie beside them.

    Parameters
    ----------
    files : Files
    names : list of str
        The image files; ``train`` and ``t10k`` become the splits ``train`` and ``test``. A
        ``class_names.txt`` beside them names the classes, one a line; without it they are called
        by their numbers.

    Raises
    ------
    SourceFormatError
        A file is no IDX file of 8-bit images, is cut short, or does not fit its labels.
    """
    images = find_idx(names)
    location = f"{files.location}/{names[0]}" if len(names) == 1 else files.location
    if not images:
        raise SourceFormatError(
            f"{location} holds IDX labels and no images. Expected a file …images-idx3-ubyte"
        )
    beside = set(files.list_folder())
    parts = [_read_part(files, name, beside) for name in images]
    return ArraySource(parts, location, files)


def find_idx(names: Iterable[str]) -> list[str]:
    """Return those of ``names`` that are IDX image files; train before the others."""
    images = {name for name in names if IMAGES_MARK.search(name)}
    plain = {n for n in images if not n.endswith(".gz") or n.removesuffix(".gz") not in images}
    return sorted(plain, key=lambda name: (not name.startswith("train"), name))


def read_idx(files: Files, name: str, n_dims: int) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes with ``n_dims`` dimensions.

    Raises
    ------
    SourceFormatError
        The file is damaged, cut short, or holds something else.
    """
    where = f"{files.location}/{name}"
    try:
        content = files.read(name)
        if name.endswith(".gz"):
            content = gzip.decompress(content)
        zeros, kind, dims = struct.unpack_from(">HBB", content)
        shape = struct.unpack_from(f">{dims}I", content, 4)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise SourceFormatError(f"{where}: not a readable IDX file ({error})") from error
    if zeros != 0 or kind != UNSIGNED_BYTE or dims != n_dims:
        raise SourceFormatError(f"{where}: expected an IDX file of bytes with {n_dims} dimensions")
    start, n_bytes = 4 + 4 * dims, math.prod(shape)
    if len(content) != start + n_bytes:
        raise SourceFormatError(
            f"{where}: the header promises {n_bytes} bytes of data, {len(content) - start} are "
            "there"
        )
    return np.frombuffer(content, np.uint8, n_bytes, start).reshape(shape)


def _read_part(files: Files, name: str, beside: set[str]) -> ArrayPart:
    images = read_idx(files, name, 3)
    labels = np.full(len(images), NO_LABEL, np.int64)
    twin = IMAGES_MARK.sub(r"labels\1idx1-ubyte", name).removesuffix(".gz")
    for candidate in (twin, f"{twin}.gz"):
        if candidate in beside:
            labels = read_idx(files, candidate, 1).astype(np.int64)
            break
    if len(labels) != len(images):
        raise SourceFormatError(
            f"{files.location}/{name}: {len(images)} images but {len(labels)} labels"
        )
    stem = IMAGES_MARK.split(name)[0].strip("-_.")
    return ArrayPart(part_name(stem), images, labels, files.stamp(name) or NO_STAMP)


KIND = SourceKind(
    name="IDX files",
    expected="IDX files (…images-idx3-ubyte, .gz)",
    open=open_idx,
    reads=lambda _files, name: ANY_MARK.search(name) is not None,
    gathers=True,
)
