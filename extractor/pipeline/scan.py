"""What is known of a source before its images are read: git's trick with stat, for images."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...cache import FeatureStore, Listing, Manifest
from ...cache.errors import CacheFormatError
from ...cache.manifest import prove_unchanged
from ...cache.run import SCORED
from ..sources import Source


@dataclass
class Survey:
    """A source's listing with the digests that need no reading.

    Attributes
    ----------
    listing : Listing
    stamps : ndarray of int64, shape (n_samples, 3)
    digests : ndarray of uint8, shape (n_samples, 32)
        Zeros where the image must be read to know; filled in as images are read.
    started_ns : int
        When the stamps were taken.
    """

    listing: Listing
    stamps: NDArray[np.int64]
    digests: NDArray[np.uint8]
    started_ns: int

    def manifest(self, source: Source) -> Manifest:
        """Return the manifest of ``source``; it shares the digests, of which more become known."""
        return Manifest(
            source.name,
            source.location,
            self.listing,
            self.digests,
            self.stamps,
            self.started_ns,
        )


def survey(source: Source, store: FeatureStore) -> Survey:
    """List ``source`` and take over the digests of files that have not changed since.

    A file counts as unchanged when size, mtime and ctime are those of an earlier snapshot, or of a
    run that did not finish (see ``prove_unchanged``).
    """
    started_ns = time.time_ns()
    listing, stamps = source.listing(), source.stamps()
    digests = store.recall_digests(source.name, listing, stamps)
    for name in (source.name, source.name + SCORED):
        earlier = _snapshot(store, name)
        if earlier is not None:
            _take_over(digests, listing, stamps, earlier)
    return Survey(listing, stamps, digests, started_ns)


def _take_over(
    digests: NDArray[np.uint8], listing: Listing, stamps: NDArray[np.int64], earlier: Manifest
) -> None:
    usable = prove_unchanged(earlier.stamps, earlier.created_ns)
    if listing.sample_ids == earlier.sample_ids:
        same = usable & (stamps == earlier.stamps).all(axis=1)
        digests[same] = earlier.digests[same]
        return
    places = {name: place for place, name in enumerate(earlier.sample_ids) if usable[place]}
    for row, name in enumerate(listing.sample_ids):
        place = places.get(name)
        if place is not None and (stamps[row] == earlier.stamps[place]).all():
            digests[row] = earlier.digests[place]


def _snapshot(store: FeatureStore, name: str) -> Manifest | None:
    try:
        return store.read_manifest(name)
    except CacheFormatError:
        return None  # a damaged snapshot only costs the time to hash again
