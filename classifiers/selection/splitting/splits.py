"""Which samples a head learns from, is chosen by, and is judged by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache import NO_SPLIT, SPLITS, FeatureSet
from ....cache.errors import TrainingDataError
from .assign import TEST_CODE, TRAIN_CODE, VAL_CODE, assign
from .units import comparable, find_units


@dataclass(frozen=True)
class Crossing:
    """Rows of one split that are left out, because their unit stands in another split, too.

    Attributes
    ----------
    split, other : str
    n_equal : int
        Rows with the bytes of an image of ``other``.
    n_group : int
        Further rows, whose group stands in ``other``.
    is_given : bool
        Whether the source gives these splits; else groups were joined after they had been assigned.
    """

    split: str
    other: str
    n_equal: int
    n_group: int
    is_given: bool = True


@dataclass(frozen=True)
class Split:
    """Row numbers of a FeatureSet, ascending and disjoint. No unit stands in two of them.

    Attributes
    ----------
    train, val, test : ndarray of int64
    units : ndarray of int64, shape (n_samples,)
        The unit of each row of the FeatureSet: rows of equal images or of one group.
    digests : ndarray of uint8, shape (n_samples, 32)
        Of the images of all rows.
    seed : int
        That keyed the hashes by which units were assigned.
    crossings : tuple of Crossing
        What was left out, so that no unit stands on two sides.
    is_small : bool
        Whether no class has more than three units to draw from.
    not_kept : str
        Why the cache could not keep which split new units were assigned to.
    """

    train: NDArray[np.int64]
    val: NDArray[np.int64]
    test: NDArray[np.int64]
    units: NDArray[np.int64]
    digests: NDArray[np.uint8]
    seed: int = 0
    crossings: tuple[Crossing, ...] = ()
    is_small: bool = False
    not_kept: str = ""

    @property
    def n_leaking(self) -> int:
        """Training rows left out because their unit stands in val or test."""
        return sum(c.n_equal + c.n_group for c in self.crossings if c.split == "train")

    def merged(self) -> Split:
        """Move the validation rows to train, as folds and the last fit of a sweep over folds do."""
        rows = np.sort(np.concatenate([self.train, self.val]))
        return replace(self, train=rows, val=rows[:0])

    def without(self, rows: NDArray[np.int64]) -> Split:
        """Leave rows out of train and val, test stays."""
        train, val = (part[~np.isin(part, rows)] for part in (self.train, self.val))
        return replace(self, train=train, val=val)

    def parts(self) -> dict[str, NDArray[np.int64]]:
        """Return the rows of each split by its name."""
        return {"train": self.train, "val": self.val, "test": self.test}

    def to_dict(self) -> dict[str, Any]:
        """Return rows of each part, seed, and a SHA-256 of which images they are, as JSON types."""
        state = hashlib.sha256()
        for name, rows in self.parts().items():
            images = np.unique(comparable(self.digests[rows]))
            state.update(f"{name} {len(images)} ".encode("ascii"))
            state.update(images.tobytes())
        counts = {name: len(rows) for name, rows in self.parts().items()}
        return {**counts, "digest": state.hexdigest(), "seed": self.seed}


def split_features(features: FeatureSet, seed: int = 0) -> Split:
    """Split the labelled rows of ``features``, whole units at a time.

    Splits that the source gives are kept. What it does not give is drawn from the training rows:
    about a fifth for testing, then about a fifth of the rest for validation. A unit's split is
    decided by a keyed hash of it (see ``draw``) and kept in the cache: it does not move when others
    come or go, or when labels change. A unit that the source gives to several splits, or that joins
    units of several, stays in test, else in val; its other rows are left out.

    Raises
    ------
    TrainingDataError
        There are no labels, or no training rows.
    CacheFormatError
        What the cache keeps of splits is damaged.
    """
    y, units = features.y, find_units(features, seed)
    if not (y >= 0).any():
        raise TrainingDataError(
            f"no labels in {features.manifest.location}: heads learn from a folder with one "
            "subfolder per class, a table with labels (--label-column), or an IDX pair"
        )
    codes = np.where(y >= 0, np.maximum(features.splits, TRAIN_CODE), NO_SPLIT).astype(np.int64)
    crossings = _leave_out_crossings(codes, features, units.rows)
    pool = codes == TRAIN_CODE
    if not pool.any():
        raise TrainingDataError(_no_training_rows(crossings))
    drawn = tuple(code for code in (TEST_CODE, VAL_CODE) if not (codes == code).any())
    is_small, not_kept = False, ""
    if drawn:
        assigned = assign(features, units, pool, seed, drawn)
        codes[pool] = assigned.codes[pool]
        crossings += _leave_out_crossings(codes, features, units.rows, is_given=False)
        is_small, not_kept = assigned.is_small and VAL_CODE in drawn, assigned.not_kept
    train, val, test = (np.flatnonzero(codes == code) for code in range(len(SPLITS)))
    if not len(train):
        raise TrainingDataError(_no_training_rows(crossings))
    state = (units.rows, features.digests, seed, tuple(crossings), is_small, not_kept)
    return Split(train, val, test, *state)


def _leave_out_crossings(
    codes: NDArray[np.int64],
    features: FeatureSet,
    units: NDArray[np.int64],
    is_given: bool = True,
) -> list[Crossing]:
    """Leave rows out whose unit stands in test, or in val, too; return how many these are."""
    digests = comparable(features.digests)
    crossings = []
    for code, other in ((VAL_CODE, TEST_CODE), (TRAIN_CODE, TEST_CODE), (TRAIN_CODE, VAL_CODE)):
        in_other = codes == other
        crossing = (codes == code) & np.isin(units, units[in_other])
        if crossing.any():
            n_equal = int(np.isin(digests[crossing], digests[in_other]).sum())
            n_group = int(crossing.sum()) - n_equal
            crossings.append(Crossing(SPLITS[code], SPLITS[other], n_equal, n_group, is_given))
            codes[crossing] = NO_SPLIT
    return crossings


def _no_training_rows(crossings: list[Crossing]) -> str:
    if not crossings:
        return "no training rows are left once validation and test are set apart"
    return (
        "no training rows are left: all have the bytes or the group of images in val or test. Give "
        "splits that keep equal images and groups whole, or none, so that they are drawn"
    )
