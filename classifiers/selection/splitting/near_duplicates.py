"""Images that are the same picture saved again: their features nearly coincide.

Cosines are taken after the mean of the features is subtracted: without that, pooled features of any
two images are alike. The bounds were measured with efficientnet_lite0 on Fashion-MNIST (28 pixels)
and on photographs (200 pixels). How many images were taken for a copy of another one:

==============================================  ============  ===========
images                                          at 28 pixels  photographs
==============================================  ============  ===========
4,800 distinct ones, against 3,200 others              0.1 %            -
saved again as JPEG of quality 95                      100 %         98 %
saved again as JPEG of quality 90                       96 %         96 %
saved again as JPEG of quality 75                       51 %         71 %
at twice the size                                      100 %         99 %
at half the size (at 28 pixels: 22)                     35 %         74 %
==============================================  ============  ===========

Stronger changes move an image further than its distinct neighbours lie.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache import FeatureSet
from ...heads.row_blocks import Floats, block_rows, row_slices
from .splits import Split

# Above SAME two images are the same. Above ALIKE they are, if no other image is nearly as near:
# the distance 1 - cosine to the next one is more than 1 / RATIO times as large.
SAME = 0.93
ALIKE = 0.7
RATIO = 0.4
# In fewer directions distinct pictures come close by chance.
MIN_FEATURES = 32
TILE_ROWS = 2048
MEAN_ROWS = 4096
# About a second on two cores.
MAX_PRODUCTS = 40_000_000_000


@dataclass(frozen=True)
class NearDuplicate:
    """A row that looks like one of a split that judges.

    Attributes
    ----------
    row : int
        Its number in the FeatureSet.
    sample, split : str
    other_sample, other_split : str
        What it looks like.
    cosine : float
    """

    row: int
    sample: str
    split: str
    other_sample: str
    other_split: str
    cosine: float


@dataclass(frozen=True)
class NearDuplicates:
    """All near duplicates across splits.

    Attributes
    ----------
    pairs : tuple of NearDuplicate
        One for each row of train or val that has one; the nearest of val or test.
    skipped : str
        Why they were not looked for.
    """

    pairs: tuple[NearDuplicate, ...] = ()
    skipped: str = ""

    def rows(self, *splits: str, other: str = "") -> NDArray[np.int64]:
        """Return the rows of some splits that have a near duplicate, or one in ``other``."""
        chosen = [p.row for p in self.pairs if p.split in splits and other in ("", p.other_split)]
        return np.array(chosen, np.int64)


def find_near_duplicates(
    features: FeatureSet,
    split: Split,
    max_products: int | None = MAX_PRODUCTS,
    within_train: bool = False,
) -> NearDuplicates:
    """Look for near duplicates of val and test rows in train, and of test rows in val.

    Takes a few tiles of rows of memory, whatever the number of rows.

    Parameters
    ----------
    features : FeatureSet
    split : Split
    max_products : int, optional
        Multiplications above which nothing is done; None does it anyway.
    within_train : bool
        Look for near duplicates of training rows among those before them, too: folds are cut there.
    """
    held_out = np.concatenate([split.val, split.test])
    searches = [(split.train, held_out), (split.val, split.test)]
    if within_train:
        searches.append((split.train, split.train))
    n_pairs, n_features = sum(len(r) * len(o) for r, o in searches), int(features.X.shape[1])
    if n_features < MIN_FEATURES:
        return NearDuplicates(
            skipped=f"near duplicates were not looked for: {n_features} features are too few to "
            "tell pictures apart"
        )
    if max_products is not None and n_pairs * n_features > max_products:
        return NearDuplicates(
            skipped=f"near duplicates were not looked for: {n_pairs:,} comparisons take a while. "
            "--drop-near-duplicates looks for them, and leaves them out of training"
        )
    names = np.full(len(features), "train", dtype="<U5")
    names[split.val], names[split.test] = "val", "test"
    mean, ids = _mean(features.X, split.train), features.sample_ids
    pairs = [
        NearDuplicate(row, ids[row], str(names[row]), ids[other], str(names[other]), cosine)
        for rows, others in searches
        for row, other, cosine in _search(features.X, rows, others, mean)
        if rows is not others or other < row
    ]
    return NearDuplicates(tuple(pairs))


def _mean(X: Any, rows: NDArray[np.int64]) -> Floats:
    most = min(MEAN_ROWS, block_rows(X.shape[1]))
    step = max(1, len(rows) // most)
    mean: Floats = np.asarray(X[rows[::step][:most]], np.float32).mean(axis=0)
    return mean


def _search(
    X: Any, rows: NDArray[np.int64], others: NDArray[np.int64], mean: Floats
) -> Iterator[tuple[int, int, float]]:
    """Yield each row that has a near duplicate among ``others``, that one, and their cosine.

    ``others`` may be ``rows``: none is compared with itself.
    """
    step = min(TILE_ROWS, block_rows(X.shape[1]))
    for part in row_slices(len(rows), step):
        queries = _directions(X, rows[part], mean)
        best = np.full(len(queries), -1, np.float32)
        second = best.copy()
        nearest = np.zeros(len(queries), np.int64)
        for tile in row_slices(len(others), step):
            cosines = queries @ _directions(X, others[tile], mean).T
            if others is rows:
                cosines[rows[part][:, None] == others[tile]] = -1
            top = cosines.argmax(axis=1)
            value = np.take_along_axis(cosines, top[:, None], axis=1)[:, 0]
            np.put_along_axis(cosines, top[:, None], -1, axis=1)
            is_nearer = value > best
            second = np.maximum(cosines.max(axis=1), np.maximum(second, np.minimum(best, value)))
            nearest[is_nearer] = others[tile][top[is_nearer]]
            best = np.maximum(best, value)
        is_same = (best > SAME) | ((best > ALIKE) & (1 - best < RATIO * (1 - second)))
        for i in np.flatnonzero(is_same):
            yield int(rows[part][i]), int(nearest[i]), float(best[i])


def _directions(X: Any, rows: NDArray[np.int64], mean: Floats) -> Floats:
    """Return centred rows of length 1; rows without a direction are zero."""
    centred = np.asarray(X[rows], np.float32) - mean
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    centred /= np.where(length > 0, length, 1)
    return centred
