"""What is known of a source before its images are read: git's trick with stat, for images."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...cache import FeatureSpec, FeatureStore, Listing, Manifest, Run, has_digest, sample_keys
from ...cache.errors import CacheFormatError
from ...cache.manifest import DIGEST_BYTES, prove_unchanged
from ..parts import NAME as PART_NAME
from ..parts import Part
from ..sources import Source
from ..sources.subset import Subset

NAMED_ROWS = 1 << 18
"""Rows that are named at once: their keys are Python objects for a moment."""


@dataclass
class Scan:
    """A source with its listing, and the digests that need no reading.

    Attributes
    ----------
    source : Source
    listing : Listing
    stamps : ndarray of int64, shape (n_samples, 3)
    digests : ndarray of uint8, shape (n_samples, 32)
        Zeros where the image must be read to know; filled in as images are read.
    started_ns : int
        When the stamps were taken.
    """

    source: Source
    listing: Listing
    stamps: NDArray[np.int64]
    digests: NDArray[np.uint8]
    started_ns: int
    _is_named: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self._is_named = np.zeros(self.n_samples, np.bool_)

    @property
    def n_samples(self) -> int:
        """Number of samples in the source."""
        return len(self.listing)

    @property
    def n_in_source(self) -> int:
        """Number of samples in the source that this one is a part of."""
        source = self.source
        return len(source.whole.listing()) if isinstance(source, Subset) else self.n_samples

    def begin_run(self, kind: str, store: FeatureStore, specs: Sequence[FeatureSpec]) -> Run:
        """Begin a run over this source, which names the rows that are known by now."""
        source = self.source
        run = store.begin_run(kind, source.name, source.location, specs, self.started_ns)
        self.name_rows(run.count_on)
        return run

    def name_rows(self, name: Callable[..., None]) -> None:
        """Name the rows of all images whose digest is known and that are not named yet.

        Parameters
        ----------
        name : callable
            ``Run.name_rows`` or ``Run.count_on``.
        """
        unnamed = np.flatnonzero(has_digest(self.digests) & ~self._is_named)
        for start in range(0, len(unnamed), NAMED_ROWS):
            rows = unnamed[start : start + NAMED_ROWS]
            name(self.digests[rows], sample_keys(self.listing.sample_ids, self.stamps, rows))
            self._is_named[rows] = True

    def manifest(self) -> Manifest:
        """Return the source's manifest; it shares the digests, of which more become known."""
        source = self.source
        return Manifest(
            source.name, source.location, self.listing, self.digests, self.stamps, self.started_ns
        )


def scan_source(source: Source, store: FeatureStore | None = None) -> Scan:
    """List ``source`` once, and take over the digests of files that have not changed since.

    A file counts as unchanged when size, mtime and ctime are those of an earlier snapshot of the
    source, of a scoring or a part of it, or of a run that did not finish (see ``prove_unchanged``).
    """
    started_ns = time.time_ns()
    listing, stamps = source.listing(), source.stamps()
    if store is None:
        digests = np.zeros((len(listing), DIGEST_BYTES), np.uint8)
        return Scan(source, listing, stamps, digests, started_ns)
    digests = store.recall_digests(source.name, listing, stamps)
    part = Part.of_name(source.name)
    for name in store.snapshot_names(PART_NAME.sub("", source.name)):
        other = Part.of_name(name)
        if part and other and other.count == part.count and other != part:
            continue  # other images by the cut
        try:
            earlier = store.read_manifest(name)
        except CacheFormatError:
            continue  # a damaged snapshot only costs the time to hash again
        if earlier is not None:
            rows = other.rows(len(listing)) if other and not part else None
            _take_over(digests, listing, stamps, earlier, rows)
    return Scan(source, listing, stamps, digests, started_ns)


def _take_over(
    digests: NDArray[np.uint8],
    listing: Listing,
    stamps: NDArray[np.int64],
    earlier: Manifest,
    rows: NDArray[np.int64] | None = None,
) -> None:
    """Fill in the digests of samples that an earlier snapshot holds and that are unchanged.

    ``rows`` are those that the snapshot is of, where it is that of a part of the source.
    """
    usable = prove_unchanged(earlier.stamps, earlier.created_ns)
    if rows is None and listing.sample_ids == earlier.sample_ids:
        same = usable & (stamps == earlier.stamps).all(axis=1)
        digests[same] = earlier.digests[same]
    elif rows is not None and listing.sample_ids.take(rows) == earlier.sample_ids:
        same = usable & (stamps[rows] == earlier.stamps).all(axis=1)
        digests[rows[same]] = earlier.digests[same]
    else:
        _take_over_by_id(digests, listing, stamps, earlier, usable)


def _take_over_by_id(
    digests: NDArray[np.uint8],
    listing: Listing,
    stamps: NDArray[np.int64],
    earlier: Manifest,
    usable: NDArray[np.bool_],
) -> None:
    rows = {name: row for row, name in enumerate(earlier.sample_ids) if usable[row]}
    for index, name in enumerate(listing.sample_ids):
        row = rows.get(name)
        if row is not None and (stamps[index] == earlier.stamps[row]).all():
            digests[index] = earlier.digests[row]
