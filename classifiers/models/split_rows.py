"""Which images a model was trained, chosen and tested on, in nine bytes each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...cache import NO_SPLIT, SPLITS

if TYPE_CHECKING:
    from ..selection.splitting.splits import Split

TRAIN, VAL, TEST = range(len(SPLITS))


@dataclass(frozen=True)
class SplitRows:
    """The images of a model's splits.

    Attributes
    ----------
    digests : ndarray of uint64, shape (n_images,)
        The first eight bytes of each image's digest, ascending. Among a million images and a
        million others, one in five million such numbers stands for two images by chance.
    splits : ndarray of int8, shape (n_images,)
        Index into ``SPLITS``.
    """

    digests: NDArray[np.uint64]
    splits: NDArray[np.int8]

    @classmethod
    def of(cls, split: Split) -> SplitRows:
        """Return the images of a split."""
        return cls.make(split.digests, split.parts())

    @classmethod
    def make(cls, digests: NDArray[np.uint8], parts: Mapping[str, NDArray[np.int64]]) -> SplitRows:
        """Return the images of ``parts``, which are rows of ``digests`` ``(n, 32)`` by split."""
        codes = [np.full(len(rows), SPLITS.index(name), np.int8) for name, rows in parts.items()]
        rows = np.concatenate(list(parts.values()))
        images, first = np.unique(shortened(digests[rows]), return_index=True)
        return cls(images, np.concatenate(codes)[first])

    def find(self, digests: NDArray[np.uint8]) -> NDArray[np.int8]:
        """Return the split of each image, index into ``SPLITS``, ``(n,)``; -1 for other images."""
        codes = np.full(len(digests), NO_SPLIT, np.int8)
        if len(self.digests):
            wanted = shortened(digests)
            index = np.minimum(np.searchsorted(self.digests, wanted), len(self.digests) - 1)
            is_found = self.digests[index] == wanted
            codes[is_found] = self.splits[index[is_found]]
        return codes

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return plain arrays for a model file."""
        return {
            "rows_digests": self.digests.view(np.int64),
            "rows_splits": self.splits.view(np.uint8),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> SplitRows | None:
        """Rebuild what ``to_arrays`` gives; None where the arrays hold no rows.

        Raises
        ------
        ValueError
            The arrays are misshapen.
        """
        if "rows_digests" not in arrays:
            return None
        digests, splits = arrays["rows_digests"], arrays["rows_splits"]
        if digests.dtype != np.int64 or splits.dtype != np.uint8 or digests.ndim != 1:
            raise ValueError("rows of other types")
        digests = digests.view(np.uint64)
        if splits.shape != digests.shape or (digests[1:] <= digests[:-1]).any():
            raise ValueError("rows that are not in order")
        if splits.max(initial=0) >= len(SPLITS):
            raise ValueError("rows of an unknown split")
        return cls(digests, splits.view(np.int8))

    def moved(self, later: SplitRows) -> dict[tuple[str, str], int]:
        """Count the images that another split has elsewhere, by (split here, split there)."""
        _, here, there = np.intersect1d(
            self.digests, later.digests, assume_unique=True, return_indices=True
        )
        pairs, counts = np.unique(
            np.stack([self.splits[here], later.splits[there]]), axis=1, return_counts=True
        )
        return {
            (SPLITS[a], SPLITS[b]): int(n)
            for (a, b), n in zip(pairs.T.tolist(), counts, strict=True)
            if a != b
        }


def shortened(digests: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the first eight bytes of digests ``(n, 32)`` as numbers, ``(n,)``."""
    first = np.ascontiguousarray(digests[:, :8])
    return first.view(">u8").ravel().astype(np.uint64)
