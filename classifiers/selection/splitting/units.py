"""Units of splits, which never stand on two sides: equal images, crops of one image, groups."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache import FeatureSet
from ....extractor.sources.source import HALF_DIGEST

SEED_BYTES = 16
NO_KEY = np.iinfo(np.uint64).max


@dataclass(frozen=True)
class Units:
    """The units of a FeatureSet, and the keyed hashes that decide their splits.

    Attributes
    ----------
    rows : ndarray of int64, shape (n_samples,)
        The number of each row's unit.
    keys : ndarray of uint64, shape (n_keys,)
        BLAKE2b of eight bytes, keyed by the seed: of each group's name, and of each image's digest
        where none of its rows has a group.
    owners : ndarray of int64, shape (n_keys,)
        The unit of each key. Groups that share an image are one unit with several keys.
    row_keys : ndarray of int64, shape (n_samples,)
        The number of each row's key.
    """

    rows: NDArray[np.int64]
    keys: NDArray[np.uint64]
    owners: NDArray[np.int64]
    row_keys: NDArray[np.int64]

    @property
    def hashes(self) -> NDArray[np.uint64]:
        """The smallest key of each unit, ``(n_units,)``."""
        smallest = np.full(int(self.rows.max(initial=-1)) + 1, NO_KEY, np.uint64)
        np.minimum.at(smallest, self.owners, self.keys)
        return smallest


def find_units(features: FeatureSet, seed: int) -> Units:
    """Return the units of ``features``; a blank group is none.

    A unit's keys depend on the seed, on its groups and its image's bytes, and on nothing else: not
    on labels, paths, other images or the machine.
    """
    digests = comparable(features.digests)
    # Crops of one image share the first half of their digests.
    halves = np.ascontiguousarray(features.digests[:, :HALF_DIGEST]).view(f"V{HALF_DIGEST}").ravel()
    _, first, images = np.unique(halves, return_index=True, return_inverse=True)
    groups = features.manifest.listing.groups
    names = [] if groups is None else [groups[int(i)].strip() for i in features.kept]
    grouped = np.flatnonzero([name != "" for name in names])
    group_names, first_of_group, codes = np.unique(
        np.array([names[row] for row in grouped], dtype=object),
        return_index=True,
        return_inverse=True,
    )
    units = _connected(images, grouped, codes) if len(grouped) else images.astype(np.int64)
    is_alone = ~np.isin(units[first], units[grouped])
    texts = [b"image:" + bytes(digests[row]) for row in first[is_alone]]
    texts += [b"group:" + str(n).encode("utf-8", "surrogateescape") for n in group_names]
    owners = np.concatenate([units[first[is_alone]], units[grouped[first_of_group]]])
    # A row without a group that equals one of a group has a key of its unit.
    order = np.argsort(owners, kind="stable")
    row_keys = order[np.searchsorted(owners, units, sorter=order)]
    row_keys[grouped] = int(is_alone.sum()) + codes
    return Units(units, keyed_hashes(texts, seed), owners.astype(np.int64), row_keys)


def keyed_hashes(texts: list[bytes], seed: int) -> NDArray[np.uint64]:
    """Return BLAKE2b of eight bytes of each text, keyed by ``seed``, ``(n,)``."""
    state = hashlib.blake2b(digest_size=8, key=seed.to_bytes(SEED_BYTES, "big"))
    joined = bytearray()
    for text in texts:
        hasher = state.copy()
        hasher.update(text)
        joined += hasher.digest()
    return np.frombuffer(bytes(joined), ">u8").astype(np.uint64)


def comparable(digests: NDArray[np.uint8]) -> NDArray[Any]:
    """Return each digest of ``(n, 32)`` as one value that compares, ``(n,)``."""
    return np.ascontiguousarray(digests).view("V32").ravel()


def _connected(
    images: NDArray[np.int64], grouped: NDArray[np.int64], codes: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Number rows so that equal images, and images of one group, share a number."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_images = int(images.max()) + 1
    size = n_images + len(grouped)
    ends = (images[grouped], n_images + codes)
    links = coo_array((np.ones(len(grouped), np.int8), ends), shape=(size, size))
    _, components = connected_components(links, directed=False)
    return np.asarray(components[images], np.int64)
