"""Manifest: the ordered samples of one source. Its order is the contract."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .errors import SourceFormatError
from .format.strings import StringColumn

SPLITS = ("train", "val", "test")
NO_LABEL = -1
NO_SPLIT = -1
DIGEST_BYTES = 32
RACY_NS = 2_000_000_000


@dataclass(frozen=True)
class Listing:
    """What a source says of its samples before any image is read.

    Attributes
    ----------
    sample_ids : StringColumn, length n_samples
        Relative POSIX paths or another name that is unique within the source.
    labels : ndarray of int64, shape (n_samples,)
        Index into ``class_names``, or -1 where there is no label.
    splits : ndarray of int8, shape (n_samples,)
        Index into ``SPLITS``, or -1 where the source gives no split.
    groups : StringColumn or None
        Samples of one group never stand on both sides of a split.
    class_names : tuple of str
        Unique, in the order that the labels count.
    weights : ndarray of float64, shape (n_samples,), or None
        How much each sample counts in training; None where all count alike.

    Raises
    ------
    SourceFormatError
        Columns of different lengths, weights that are negative or infinite, labels outside the
        class names, or an id that occurs twice.
    """

    sample_ids: StringColumn
    labels: NDArray[np.int64]
    splits: NDArray[np.int8]
    groups: StringColumn | None
    class_names: tuple[str, ...]
    weights: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        n_samples = len(self.sample_ids)
        if self.weights is not None and self.weights.shape != (n_samples,):
            raise SourceFormatError("sample ids and weights differ in length")
        if self.weights is not None and not (np.isfinite(self.weights) & (self.weights >= 0)).all():
            raise SourceFormatError("a weight of a sample is negative or not finite")
        groups = n_samples if self.groups is None else len(self.groups)
        if not n_samples == len(self.labels) == len(self.splits) == groups:
            raise SourceFormatError("sample ids, labels, splits and groups differ in length")
        if len(set(self.class_names)) != len(self.class_names):
            raise SourceFormatError(f"a class name occurs twice: {self.class_names}")
        if n_samples and (
            self.labels.min() < NO_LABEL or self.labels.max() >= len(self.class_names)
        ):
            raise SourceFormatError("a label points outside the class names")
        if not self.sample_ids.is_distinct:
            repeated = Counter(self.sample_ids).most_common(1)[0][0]
            raise SourceFormatError(f"the sample id {repeated!r} occurs twice")

    def __len__(self) -> int:
        return len(self.sample_ids)

    def take(self, rows: NDArray[np.int64]) -> Listing:
        """Return the samples at ``rows``, in that order."""
        groups = None if self.groups is None else self.groups.take(rows)
        ids, names = self.sample_ids.take(rows), self.class_names
        weights = None if self.weights is None else self.weights[rows]
        return Listing(ids, self.labels[rows], self.splits[rows], groups, names, weights)


@dataclass(frozen=True)
class Manifest:
    """The ordered samples of one source with the digests of their contents.

    Attributes
    ----------
    name : str
        Name of the snapshot in the cache.
    location : str
        Where the source was, for people.
    listing : Listing
        Ids, labels, splits, groups and class names, in order.
    digests : ndarray of uint8, shape (n_samples, 32)
        SHA-256 of each image's bytes; all zeros where the bytes could not be read.
    stamps : ndarray of int64, shape (n_samples, 3)
        Size in bytes, mtime and ctime in nanoseconds of each file; zeros where there is none.
    created_ns : int
        When the digests were taken, nanoseconds since the epoch.
    """

    name: str
    location: str
    listing: Listing
    digests: NDArray[np.uint8]
    stamps: NDArray[np.int64]
    created_ns: int

    def __post_init__(self) -> None:
        n_samples = len(self.listing)
        if self.digests.shape != (n_samples, DIGEST_BYTES) or self.stamps.shape != (n_samples, 3):
            raise SourceFormatError("digests or stamps do not fit the samples")

    def __len__(self) -> int:
        return len(self.listing)

    def take(self, rows: NDArray[np.int64]) -> Manifest:
        """Return the samples at ``rows``, in that order."""
        listing, digests, stamps = self.listing.take(rows), self.digests[rows], self.stamps[rows]
        return replace(self, listing=listing, digests=digests, stamps=stamps)

    @property
    def sample_ids(self) -> StringColumn:
        """Ids of the samples, in order."""
        return self.listing.sample_ids

    @property
    def labels(self) -> NDArray[np.int64]:
        """Labels, ``(n_samples,)``; -1 where there is none."""
        return self.listing.labels

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order that the labels count."""
        return self.listing.class_names

    @cached_property
    def data_digest(self) -> str:
        """SHA-256 over ids, digests, labels, splits, weights, class names: the training data."""
        state = hashlib.sha256()
        listing = self.listing
        columns = (self.digests, listing.labels, listing.splits, listing.sample_ids.offsets)
        weights = () if listing.weights is None else (listing.weights,)
        for column in (*columns, listing.sample_ids.data, *weights):
            state.update(np.ascontiguousarray(column).tobytes())
        state.update("\0".join(listing.class_names).encode("utf-8", "surrogateescape"))
        return state.hexdigest()


def has_digest(digests: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell which rows of ``digests`` ``(n, 32)`` hold a digest, as bool ``(n,)``."""
    is_taken: NDArray[np.bool_] = np.asarray(digests.any(axis=1))
    return is_taken


def prove_unchanged(stamps: NDArray[np.int64], taken_ns: int) -> NDArray[np.bool_]:
    """Tell which ``stamps`` ``(n, 3)``, met again, prove a file unchanged, as bool ``(n,)``.

    A file that was changed less than two seconds before its stamp was taken may have changed again
    within one tick of the clock (git's "racy" entries).
    """
    newest = stamps[:, 1:].max(axis=1, initial=0)
    proofs: NDArray[np.bool_] = stamps.any(axis=1) & (newest < taken_ns - RACY_NS)
    return proofs
