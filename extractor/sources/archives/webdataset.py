"""WebDataset: tar shards in which files of one sample share a key, as img2dataset writes them.

The format is that of https://github.com/webdataset/webdataset: the key of a file is its path up to
the first dot of its name.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ....cache import NO_SPLIT, SPLITS, Listing, StringColumn
from ....cache.errors import EmptySourceError
from ..files.files import Files, plural, shown
from ..files.names import IMAGE_ENDINGS
from ..folders.folder_layout import read_layout
from ..kind import SourceKind
from ..labels import encode_labels, similar_classes, split_within
from ..source import Contents, ListedSource, stamp_array
from ..source_options import SourceOptions
from .gunzip import ENDINGS as COMPRESSED
from .gunzip import UnpackedShards, holds_samples, is_compressed
from .tar import Member, read_members

ENDING = ".tar"
LABEL_FIELDS = ("label", "class", "cls")
NUMBERS = re.compile(r"[\d._-]+")


@dataclass
class _Key:
    """The files that share a key; all by what follows its first dot, in small letters."""

    images: dict[str, Member] = field(default_factory=dict)
    others: dict[str, Member] = field(default_factory=dict)


@dataclass(frozen=True)
class _Sample:
    """One image of a shard: its id there, where it lies, and its label."""

    name: str
    member: Member
    label: str | None


class ShardSource(ListedSource):
    """Images in tar shards, in the order of the shards' names and of the files in them.

    The headers are read once; an image is then fetched by where it lies in the tar. A label is the
    text of ``.cls``, or ``label``, ``class`` or ``cls`` in ``.json``; captions (``.txt``) are none.
    A single tar without any has the labels of its folders.
    """

    def __init__(
        self,
        files: Files,
        shards: Sequence[str],
        rows: NDArray[np.int64],
        location: str,
        contents: Contents,
    ) -> None:
        super().__init__(location, contents)
        self._files, self._shards, self._rows = files, shards, rows

    def stamps(self) -> NDArray[np.int64]:
        """Return the stamp of each image's shard."""
        stamps = stamp_array([self._files.stamp(name) for name in self._shards])
        rows: NDArray[np.int64] = stamps[self._rows[:, 0]]
        return rows

    def read(self, index: int) -> bytes:
        """Return the bytes of one image; raises OSError where they cannot be read."""
        shard, start, n_bytes = (int(value) for value in self._rows[index])
        if start < 0:
            raise OSError(
                f"{self._shards[shard]} holds a link to a file outside it, or a sparse file"
            )
        return self._files.read_range(self._shards[shard], start, n_bytes)


def open_shards(files: Files, names: Sequence[str], _options: SourceOptions) -> ShardSource:
    """Open tar shards; ``train``, ``val`` or ``test`` in a name makes it that split.

    Raises
    ------
    SourceFormatError
        A shard is no whole tar, names are not distinct, or there is no image in any.
    """
    shards = sorted(names)
    packed = [name for name in shards if is_compressed(name)]
    unpacked = UnpackedShards(files, packed) if packed else None
    files = unpacked or files
    others: Counter[str] = Counter()
    samples: list[tuple[int, _Sample]] = []
    for shard, name in enumerate(shards):
        keys = _group(read_members(files, name, _holds_label))
        for key, files_of_key in keys.items():
            samples += [(shard, sample) for sample in _samples(key, files_of_key)]
            others.update(_left_out(files_of_key))
    location = f"{files.location}/{shards[0]}" if len(shards) == 1 else files.location
    if not samples:
        found = shown(f"{n} {ending}" for ending, n in others.items()) or "nothing"
        raise EmptySourceError(
            f"no image in the shards of {location} (found {found}). Expected .jpg, .png or others"
        )
    labels, origin, notes = _labels(samples, shards, location)
    codes, class_names = encode_labels(labels)
    stems = [_stem(name) for name in shards]
    splits = [split_within(stem)[0] for stem in stems]
    if unpacked is not None:
        notes = [*notes, unpacked.describe()]
    split_codes = np.array([SPLITS.index(s) if s else NO_SPLIT for s in splits], np.int8)
    ids = StringColumn.from_strings(f"{stems[shard]}/{s.name}" for shard, s in samples)
    rows = np.array([(n, s.member.start, s.member.n_bytes) for n, s in samples], np.int64)
    listing = Listing(ids, codes, split_codes[rows[:, 0]], None, class_names)
    contents = Contents(listing, origin, tuple(notes), dict(sorted(others.items())))
    return ShardSource(files, shards, rows, location, contents)


def is_shard(files: Files, name: str) -> bool:
    """Tell whether a file is a tar, by its name; of a compressed one by the first file in it."""
    if is_compressed(name):
        return holds_samples(files, name)
    return name.lower().endswith(ENDING)


def _stem(name: str) -> str:
    ending = next(ending for ending in (ENDING, *COMPRESSED) if name.lower().endswith(ending))
    return name[: -len(ending)]


def _group(members: Iterable[Member]) -> dict[str, _Key]:
    """Return the files of each key, in the order in which the keys begin."""
    keys: dict[str, _Key] = defaultdict(_Key)
    for member in members:
        key, ending = split_key(member.name)
        is_image = f".{ending.rpartition('.')[2]}" in IMAGE_ENDINGS
        kept = keys[key].images if is_image else keys[key].others
        kept[ending if ending not in kept else member.name] = member
    return keys


def split_key(path: str) -> tuple[str, str]:
    """Return the key of a file in a shard, and what follows its first dot, in small letters."""
    folder, slash, name = path.rpartition("/")
    stem, _, ending = name.partition(".")
    return f"{folder}{slash}{stem}", ending.lower()


def _samples(key: str, files: _Key) -> list[_Sample]:
    """Return the images of a key as samples: the plain one, else each by its name."""
    images = _images(files)
    if len(images) == 1:
        (ending, member), *_ = images.items()
        return [_Sample(key, member, _label(files.others, ending))]
    names = [f"{key}.{ending}".rpartition(".")[0] for ending in images]
    if len(set(names)) < len(names):
        names = [member.name for member in images.values()]
    return [
        _Sample(name, member, _label(files.others, ending))
        for name, (ending, member) in zip(names, images.items(), strict=True)
    ]


def _images(files: _Key) -> dict[str, Member]:
    """Return a key's images; beside ``x.jpg`` a file such as ``x.mask.png`` is none."""
    plain = [ending for ending in files.images if "." not in ending]
    if not plain:
        return files.images
    return {
        ending: member
        for ending, member in files.images.items()
        if ending in plain or NUMBERS.fullmatch(ending.rpartition(".")[0])
    }


def _left_out(files: _Key) -> list[str]:
    images = _images(files)
    masks = [ending for ending in files.images if images and ending not in images]
    return [f".{ending}" for ending in (*files.others, *masks)] if masks or not images else []


def _holds_label(name: str) -> bool:
    return split_key(name)[1].rpartition(".")[2] in ("cls", "json")


def _label(others: dict[str, Member], ending: str) -> str | None:
    """Return the label of the image ``ending``: of its own ``.cls`` or ``.json``, or the key's."""
    stem = ending.rpartition(".")[0]
    for prefix in (f"{stem}." if stem else "", ""):
        if f"{prefix}cls" in others:
            content = others[f"{prefix}cls"].content
            return content.decode("utf-8", "replace").strip() or None
        if f"{prefix}json" in others:
            return _json_label(others[f"{prefix}json"].content)
    return None


def _json_label(content: bytes) -> str | None:
    try:
        fields = json.loads(content)
    except ValueError:
        return None
    if not isinstance(fields, dict):
        return None
    labels = [fields[name] for name in LABEL_FIELDS if fields.get(name) is not None]
    return str(labels[0]).strip() if labels and isinstance(labels[0], str | int) else None


def _labels(
    samples: Sequence[tuple[int, _Sample]], shards: Sequence[str], location: str
) -> tuple[list[str | None], str, list[str]]:
    """Return the label of each sample, what they come from, and notes."""
    labels = [sample.label for _, sample in samples]
    origin = plural(len(shards), "tar shard")
    if any(labels):
        return labels, f"{origin} (.cls and .json)", similar_classes({n for n in labels if n})
    if len(shards) > 1:
        return labels, origin, []
    layout = read_layout([sample.member.name for _, sample in samples], (), location)
    return (
        layout.classes,
        f"{origin} ({layout.origin})" if layout.n_classes else origin,
        layout.notes,
    )


KIND = SourceKind(
    name="tar shards",
    expected="WebDataset shards (.tar, .tar.gz)",
    open=open_shards,
    reads=is_shard,
    gathers=True,
)
