"""WebDataset: tar shards in which files of one sample share a key, as img2dataset writes them.

The format is that of https://github.com/webdataset/webdataset: the key of a file is its path up to
the first dot of its name, and the files of a sample stand side by side.
"""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...cache import NO_SPLIT, Listing, StringColumn
from ...cache.errors import SourceFormatError
from .arrays import part_name
from .base import source_name
from .files import Files
from .labels import SPLIT_NAMES, encode_labels, split_code

ENDING = ".tar"
IMAGES = ("jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm", "jp2", "avif")
LABEL_KEYS = ("label", "class", "cls")


@dataclass
class _Sample:
    """The files of one key, as far as the tar's headers were read."""

    key: str
    image: tuple[int, int] | None = None
    label: str | None = None
    others: list[str] = field(default_factory=list)


class ShardSource:
    """Images in tar shards, in the order of the shards' names and of the files in them.

    The headers are read once; an image is then fetched by its place in the tar. A label is the text
    of ``.cls``, or ``label``, ``class`` or ``cls`` in ``.json``; captions (``.txt``) are none.

    Parameters
    ----------
    files : Files
    names : list of str
        The shards; ``train``, ``val`` or ``test`` in a name makes it that split.
    location : str

    Raises
    ------
    SourceFormatError
        A shard is no tar, is cut short, or there is no image in any.
    """

    def __init__(self, files: Files, names: list[str], location: str) -> None:
        self._files = files
        self._names = sorted(names)
        self.location = location
        self.name = source_name(location.rsplit("/", 1)[-1], location)
        self._labels: list[str | None] = []
        others: Counter[str] = Counter()
        ids: list[str] = []
        places: list[tuple[int, int, int]] = []
        for shard, name in enumerate(self._names):
            for sample in self._scan(name):
                if sample.image is None:
                    others.update(f".{ending}" for ending in sample.others)
                    continue
                ids.append(f"{name.removesuffix(ENDING)}/{sample.key}")
                places.append((shard, *sample.image))
                self._labels.append(sample.label)
        self.left_out = dict(sorted(others.items()))
        self._places = np.array(places, np.int64).reshape(-1, 3)
        self._ids = StringColumn.from_strings(ids)
        if not ids:
            raise SourceFormatError(f"no image in the shards of {location} ({', '.join(IMAGES)})")

    def listing(self) -> Listing:
        """Return ids ``shard/key`` with labels and splits."""
        labels, class_names = encode_labels(self._labels)
        splits = [part_name(name.removesuffix(ENDING)) for name in self._names]
        codes = [split_code(name) if name in SPLIT_NAMES else NO_SPLIT for name in splits]
        of_rows = np.array(codes, np.int8)[self._places[:, 0]]
        return Listing(self._ids, labels, of_rows, None, class_names)

    def stamps(self) -> NDArray[np.int64]:
        """Return the stamp of each image's shard."""
        stamps = np.array([self._files.stamp(name) for name in self._names], np.int64)
        rows: NDArray[np.int64] = stamps[self._places[:, 0]]
        return rows

    def read(self, index: int) -> bytes:
        """Return the bytes of one image; raises OSError where they cannot be read."""
        shard, start, n_bytes = (int(value) for value in self._places[index])
        return self._files.read_range(self._names[shard], start, n_bytes)

    def _scan(self, name: str) -> Iterator[_Sample]:
        """Yield the samples of one shard."""
        where = f"{self._files.location}/{name}"
        try:
            with self._files.open(name) as file, tarfile.open(fileobj=file, mode="r:") as tar:
                sample: _Sample | None = None
                for member in tar:
                    key, ending = _split(member.name)
                    if not member.isfile() or not ending:
                        continue
                    if sample is None or sample.key != key:
                        if sample is not None:
                            yield sample
                        sample = _Sample(key)
                    _add(sample, tar, member, ending)
                if sample is not None:
                    yield sample
        except (OSError, tarfile.TarError, EOFError) as error:
            raise SourceFormatError(
                f"{where}: not a readable tar shard, uncompressed ({error})"
            ) from error


def _add(sample: _Sample, tar: tarfile.TarFile, member: tarfile.TarInfo, ending: str) -> None:
    if ending in IMAGES and sample.image is None:
        sample.image = (member.offset_data, member.size)
        return
    sample.others.append(ending)
    if ending == "cls":
        sample.label = _content(tar, member).decode("utf-8", "replace").strip() or None
    elif ending == "json" and sample.label is None:
        sample.label = _json_label(_content(tar, member))


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read() if file is not None else b""


def _json_label(content: bytes) -> str | None:
    try:
        fields = json.loads(content)
    except ValueError:
        return None
    if not isinstance(fields, dict):
        return None
    found = [fields[key] for key in LABEL_KEYS if fields.get(key) is not None]
    return str(found[0]) if found and isinstance(found[0], str | int) else None


def _split(path: str) -> tuple[str, str]:
    """Return the key of a file in a shard and its ending, in small letters."""
    folder, slash, name = path.rpartition("/")
    stem, _, ending = name.partition(".")
    return f"{folder}{slash}{stem}", ending.lower()
