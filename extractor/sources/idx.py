"""IDX pairs, the format of MNIST (http://yann.lecun.com/exdb/mnist, "FILE FORMATS")."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...cache import NO_LABEL, NO_SPLIT, SPLITS, Listing, StringColumn
from ...cache.errors import SourceFormatError
from .base import source_name

IMAGES_MARK = "images-idx3-ubyte"
LABELS_MARK = "labels-idx1-ubyte"
PREFIXES = {"train": "train", "t10k": "test", "test": "test", "val": "val"}
UNSIGNED_BYTE = 0x08


@dataclass(frozen=True)
class _Part:
    prefix: str
    split: int
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


class IdxSource:
    """Images of one or more IDX files, gzip or not, with the labels that lie beside them.

    Parameters
    ----------
    path : Path
        One ``…images-idx3-ubyte[.gz]`` file, or a folder with such files; ``train`` and ``t10k``
        become the splits ``train`` and ``test``. A ``class_names.txt`` beside them names the
        classes, one a line; without it they are called by their numbers.

    Raises
    ------
    SourceFormatError
        A file is no IDX file of 8-bit images, is cut short, or does not fit its labels.
    """

    def __init__(self, path: Path, name: str | None = None) -> None:
        self.location = str(path.resolve())
        self.name = name or source_name(path.resolve().name, self.location)
        self.left_out: dict[str, int] = {}
        files = find_idx(path)
        if not files:
            raise SourceFormatError(f"no IDX image files in {path} (expected *{IMAGES_MARK}[.gz])")
        self._parts = [_read_part(file) for file in files]
        self._files = files
        self._names = _class_names(files[0].parent)
        self._starts = np.cumsum([0, *(len(part.images) for part in self._parts)])

    def listing(self) -> Listing:
        """Return ids such as ``train/00042`` with labels and splits."""
        ids: list[str] = []
        for part in self._parts:
            width = max(5, len(str(len(part.images))))
            ids.extend(f"{part.prefix}/{i:0{width}d}" for i in range(len(part.images)))
        labels = np.concatenate([part.labels for part in self._parts])
        splits = np.concatenate(
            [np.full(len(part.images), part.split, np.int8) for part in self._parts]
        )
        return Listing(StringColumn.from_strings(ids), labels, splits, None, self._classes(labels))

    def _classes(self, labels: NDArray[np.int64]) -> tuple[str, ...]:
        n_classes = int(labels.max(initial=NO_LABEL)) + 1
        if not self._names:
            return tuple(str(code) for code in range(n_classes))
        if len(self._names) < n_classes:
            raise SourceFormatError(
                f"{self.location}: class_names.txt has {len(self._names)} names, the labels count "
                f"{n_classes} classes"
            )
        return self._names

    def stamps(self) -> NDArray[np.int64]:
        """Return the stamp of each image's file, repeated for its images."""
        rows = []
        for file, part in zip(self._files, self._parts, strict=True):
            status = file.stat()
            row = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
            rows.append(np.tile(np.array(row, np.int64), (len(part.images), 1)))
        return np.concatenate(rows)

    def read(self, index: int) -> NDArray[np.uint8]:
        """Return the pixels of one image, ``(h, w)``."""
        part = int(np.searchsorted(self._starts, index, "right")) - 1
        image: NDArray[np.uint8] = self._parts[part].images[index - self._starts[part]]
        return image


def find_idx(path: Path) -> list[Path]:
    """Return the IDX image files that ``path`` is or holds; train before the others."""
    if path.is_file():
        return [path] if IMAGES_MARK in path.name else []
    files = [p for p in path.iterdir() if IMAGES_MARK in p.name and not p.name.startswith(".")]
    plain = {p.name for p in files}
    unique = [p for p in files if p.suffix != ".gz" or p.name.removesuffix(".gz") not in plain]
    return sorted(unique, key=lambda p: (not p.name.startswith("train"), p.name))


def read_idx(path: Path, n_dims: int) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes with ``n_dims`` dimensions.

    Raises
    ------
    SourceFormatError
        The file is damaged, cut short, or holds something else.
    """
    try:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rb") as file:
            content = bytes(file.read())
        zeros, kind, dims = struct.unpack_from(">HBB", content)
        shape = struct.unpack_from(f">{dims}I", content, 4)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise SourceFormatError(f"{path}: not a readable IDX file ({error})") from error
    if zeros != 0 or kind != UNSIGNED_BYTE or dims != n_dims:
        raise SourceFormatError(f"{path}: expected an IDX file of bytes with {n_dims} dimensions")
    start, n_bytes = 4 + 4 * dims, math.prod(shape)
    if len(content) != start + n_bytes:
        raise SourceFormatError(
            f"{path}: the header promises {n_bytes} bytes of data, {len(content) - start} are there"
        )
    return np.frombuffer(content, np.uint8, n_bytes, start).reshape(shape)


def _read_part(images_path: Path) -> _Part:
    images = read_idx(images_path, 3)
    stem = images_path.name.split(IMAGES_MARK)[0].strip("-_.")
    split = PREFIXES.get(stem.lower())
    labels = np.full(len(images), NO_LABEL, np.int64)
    name = images_path.name.replace(IMAGES_MARK, LABELS_MARK)
    candidates = {name, name.removesuffix(".gz"), f"{name.removesuffix('.gz')}.gz"}
    for labels_path in (images_path.with_name(n) for n in sorted(candidates)):
        if labels_path.exists():
            labels = read_idx(labels_path, 1).astype(np.int64)
            break
    if len(labels) != len(images):
        raise SourceFormatError(f"{images_path}: {len(images)} images but {len(labels)} labels")
    code = NO_SPLIT if split is None else SPLITS.index(split)
    return _Part(split or stem or "image", code, images, labels)


def _class_names(folder: Path) -> tuple[str, ...]:
    path = folder / "class_names.txt"
    if not path.is_file():
        return ()
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(line.strip() for line in lines if line.strip())
