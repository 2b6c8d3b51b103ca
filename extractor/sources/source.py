"""What a source of images is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ...cache import SPLITS, Listing, StringColumn
from .crop import Box, Crop
from .files.files import NO_STAMP, Files, Stamp, plural, shown

Raw = bytes | NDArray[np.uint8] | Crop
"""An image before decoding: a file's bytes, pixels ``(h, w)`` or ``(h, w, 3)``, or a crop of it."""

HALF_DIGEST = 16
BLOCK_FILES = 1 << 16


class Source(Protocol):
    """Images in a fixed order with what is known of them.

    Attributes
    ----------
    name : str
        Short name, safe as a file name, equal for equal locations.
    location : str
        Where the images are, for people.
    left_out : dict of str to int
        How many files were seen that are no images, by their ending.
    understood : str
        One line for people: how many images, classes and splits, taken from what, and what was
        left out; empty where there is nothing to say.
    """

    name: str
    location: str
    left_out: dict[str, int]
    understood: str

    def listing(self) -> Listing:
        """Return ids, labels, splits, groups and class names; reads no image."""
        ...

    def stamps(self) -> NDArray[np.int64]:
        """Return size, mtime and ctime of each image's file ``(n, 3)``; zeros where unknown."""
        ...

    def read(self, index: int) -> Raw:
        """Return one image as it lies there; safe to call from several threads.

        Raises
        ------
        OSError
            The image cannot be read.
        """
        ...


@runtime_checkable
class LooksSingly(Protocol):
    """A source that can look at some of its files and leave the others alone."""

    def stamps_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the stamps of the images at ``rows``, ``(len(rows), 3)``."""
        ...


@dataclass(frozen=True)
class Contents:
    """The samples of a source and how they were understood.

    Attributes
    ----------
    listing : Listing
    origin : str
        What ids and labels were taken from, such as ``its folders``.
    notes : tuple of str
        What a person should know of the reading, a few words each.
    left_out : mapping of str to int
        Files that are no images, by ending.
    """

    listing: Listing
    origin: str
    notes: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)

    def describe(self) -> str:
        """Return one line: images, classes, splits, origin, notes, what was left out."""
        counts = [plural(len(self.listing), "image"), self._classes(), self._splits()]
        sentences = [f"{', '.join(filter(None, counts))}, from {self.origin}", *self.notes]
        if self.left_out:
            others = shown(f"{n} {suffix}" for suffix, n in self.left_out.items())
            sentences.append(f"left out: {others}")
        return "; ".join(sentences).replace("\n", "\\n")

    def _classes(self) -> str:
        labels, names = self.listing.labels, self.listing.class_names
        if not names:
            return "no labels"
        n_labels = int((labels >= 0).sum())
        unlabelled = f", {len(labels) - n_labels} of them unlabelled"
        many = "classes" if len(names) != 1 else "class"
        listed = shown(names)
        return f"{len(names)} {many} ({listed})" + (unlabelled if n_labels < len(labels) else "")

    def _splits(self) -> str:
        splits = self.listing.splits
        counts = [(int((splits == code).sum()), name) for code, name in enumerate(SPLITS)]
        given = [f"{n} {name}" for n, name in counts if n]
        if not given:
            return ""
        rest = len(splits) - sum(n for n, _ in counts)
        return f"splits: {' / '.join([*given, *([f'{rest} in none'] if rest else [])])}"


class ListedSource:
    """A source whose samples are listed once, when it is opened."""

    def __init__(self, location: str, contents: Contents) -> None:
        self.location = location
        self.name = source_name(location.rsplit("/", 1)[-1], location)
        self.left_out = dict(contents.left_out)
        self.understood = contents.describe()
        self._listing = contents.listing

    def listing(self) -> Listing:
        """Return ids, labels, splits, groups and class names."""
        return self._listing


class FileSource(ListedSource):
    """Image files, one a sample.

    Parameters
    ----------
    files : Files
    names : StringColumn, length n_samples
        The files, in the order of the samples.
    location : str
    contents : Contents
    stamps : ndarray of int64, shape (n_samples, 3), optional
        Where they are known already.
    """

    def __init__(
        self,
        files: Files,
        names: StringColumn,
        location: str,
        contents: Contents,
        stamps: NDArray[np.int64] | None = None,
    ) -> None:
        super().__init__(location, contents)
        self._files, self._names = files, names
        self._is_looked_at = np.full(len(names), stamps is not None)
        self._stamps = np.zeros((len(names), len(NO_STAMP)), np.int64) if stamps is None else stamps

    def stamps(self) -> NDArray[np.int64]:
        """Return the stamp of each file; zeros where a file cannot be looked at."""
        self._look_at(np.arange(len(self._names)))
        return self._stamps

    def stamps_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the stamps of some files."""
        self._look_at(rows)
        stamps: NDArray[np.int64] = self._stamps[rows]
        return stamps

    def _look_at(self, rows: NDArray[np.int64]) -> None:
        new = rows[~self._is_looked_at[rows]]
        for start in range(0, len(new), BLOCK_FILES):
            block = new[start : start + BLOCK_FILES]
            names = map(self._names.__getitem__, block.tolist())
            self._stamps[block] = stamp_array([self._files.stamp(name) for name in names])
            self._is_looked_at[block] = True

    def read(self, index: int) -> bytes:
        """Return the bytes of one file; raises OSError where it cannot be read."""
        return self._files.read(self._names[index])


class CropSource:
    """Crops of a source's images, one for each of its samples.

    Parameters
    ----------
    images : Source
        An image may be several samples, each with a box in its id.
    boxes : sequence of Box, length n_samples
    """

    def __init__(self, images: Source, boxes: Sequence[Box]) -> None:
        self._images, self._boxes = images, boxes
        self.name, self.location = images.name, images.location
        self.left_out, self.understood = images.left_out, images.understood

    def listing(self) -> Listing:
        """Return ids, labels, splits, groups and class names of the crops."""
        return self._images.listing()

    def stamps(self) -> NDArray[np.int64]:
        """Return the stamp of each crop's file."""
        return self._images.stamps()

    def stamps_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the stamps of some crops' files."""
        return stamps_of(self._images, rows)

    def read(self, index: int) -> Raw:
        """Return one image with its box; raises OSError where it cannot be read."""
        return crop(self._images.read(index), self._boxes[index])


def crop(raw: Raw, box: Box | None) -> Raw:
    """Return an image with the box that is wanted of it; None stands for the whole image."""
    return raw if box is None or isinstance(raw, Crop) else Crop(raw, box)


def stamps_of(source: Source, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the stamps of some images; no other file is looked at where the source can do that."""
    if isinstance(source, LooksSingly):
        return source.stamps_of(rows)
    stamps: NDArray[np.int64] = source.stamps()[rows]
    return stamps


def stamp_array(stamps: Sequence[Stamp | None]) -> NDArray[np.int64]:
    """Return stamps as ``(n, 3)``; zeros where there is none."""
    rows = [stamp or NO_STAMP for stamp in stamps]
    return np.array(rows, np.int64).reshape(-1, len(NO_STAMP))


def digest_of(raw: Raw) -> bytes:
    """Return the SHA-256 of an image's bytes; of an array with its shape, 32 bytes.

    A crop's begins with half of its image's digest: crops of one image are told by that.
    """
    if isinstance(raw, Crop):
        image = digest_of(raw.image)
        return (
            image[:HALF_DIGEST] + hashlib.sha256(image + _box_key(raw.box)).digest()[:HALF_DIGEST]
        )
    if isinstance(raw, bytes):
        return hashlib.sha256(raw).digest()
    state = hashlib.sha256(f"uint8{raw.shape}".encode("ascii"))
    state.update(np.ascontiguousarray(raw).tobytes())
    return state.digest()


def _box_key(box: Box) -> bytes:
    """Return what tells boxes apart: pixels as they are cut, shares as they are written."""
    return str(box if box.is_relative else box.edges(0, 0)).encode("ascii")


def source_name(label: str, location: str) -> str:
    """Return a file-name-safe name: the readable ``label`` and a digest of ``location``."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", label).strip("-.") or "source"
    encoded = location.encode("utf-8", "surrogateescape")
    return f"{readable[:40]}-{hashlib.sha256(encoded).hexdigest()[:8]}"
