"""Which samples a head learns from, is chosen by, and is judged by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache import FeatureSet
from ....cache.errors import TrainingDataError

HOLDOUT = 0.2
Mask = NDArray[np.bool_]


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
    """

    split: str
    other: str
    n_equal: int
    n_group: int


@dataclass(frozen=True)
class Split:
    """Row numbers of a FeatureSet, ascending and disjoint. No unit stands in two of them.

    Attributes
    ----------
    train, val, test : ndarray of int64
    units : ndarray of int64, shape (n_samples,)
        The unit of each row of the FeatureSet: rows of equal images or of one group.
    crossings : tuple of Crossing
        What was left out, so that no unit stands on two sides.
    is_small : bool
        Whether validation was drawn by the rule for few units.
    """

    train: NDArray[np.int64]
    val: NDArray[np.int64]
    test: NDArray[np.int64]
    units: NDArray[np.int64]
    crossings: tuple[Crossing, ...] = ()
    is_small: bool = False

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

    def to_dict(self) -> dict[str, Any]:
        """Return how many rows each part has, and the SHA-256 of their numbers, as JSON types."""
        parts = {"train": self.train, "val": self.val, "test": self.test}
        state = hashlib.sha256()
        for rows in parts.values():
            state.update(np.int64(len(rows)).tobytes())
            state.update(rows.astype("<i8").tobytes())
        return {**{name: len(rows) for name, rows in parts.items()}, "digest": state.hexdigest()}


def split_features(features: FeatureSet, random_state: int = 0) -> Split:
    """Split the labelled rows of ``features``, whole units at a time.

    Splits that the source gives are kept. What it does not give is drawn from the training rows:
    a fifth for testing, then a fifth of the rest for validation, stratified by class. A class keeps
    at least one unit in train. Where that leaves no validation rows, each class of two units or
    more gives one. A unit that the source gives to several splits stays in test, else in val; its
    other rows are left out before anything is drawn.

    Raises
    ------
    TrainingDataError
        There are no labels, or no training rows.
    """
    y, units = features.y, row_units(features)
    if not (y >= 0).any():
        raise TrainingDataError(
            f"no labels in {features.manifest.location}: heads learn from a folder with one "
            "subfolder per class, or from an IDX pair"
        )
    val, test = features.in_split("val"), features.in_split("test")
    train = (y >= 0) & ~val & ~test
    crossings: list[Crossing] = []
    val = _leave_out(features, units, ("val", val), ("test", test), crossings)
    train = _leave_out(features, units, ("train", train), ("test", test), crossings)
    train = _leave_out(features, units, ("train", train), ("val", val), crossings)
    if not train.any():
        raise TrainingDataError(_no_training_rows(crossings))
    rng = np.random.default_rng(random_state)
    if not test.any():
        test = _draw(train, y, units, rng)
        train &= ~test
    is_small = False
    if not val.any():
        val = _draw(train, y, units, rng)
        is_small = not val.any()
        if is_small:
            val = _draw(train, y, units, rng, at_least=1)
        train &= ~val
    train_rows, val_rows, test_rows = map(np.flatnonzero, (train, val, test))
    return Split(train_rows, val_rows, test_rows, units, tuple(crossings), is_small)


def _leave_out(
    features: FeatureSet,
    units: NDArray[np.int64],
    part: tuple[str, Mask],
    other: tuple[str, Mask],
    crossings: list[Crossing],
) -> Mask:
    """Return the mask of a part without the rows whose unit stands in the other one; note them."""
    (name, mask), (other_name, other_mask) = part, other
    crossing = mask & np.isin(units, units[other_mask])
    if crossing.any():
        digests = _comparable(features.digests)
        n_equal = int(np.isin(digests[crossing], digests[other_mask]).sum())
        crossings.append(Crossing(name, other_name, n_equal, int(crossing.sum()) - n_equal))
    return mask & ~crossing


def _no_training_rows(crossings: list[Crossing]) -> str:
    if not crossings:
        return "no training rows are left once validation and test are set apart"
    return (
        "no training rows are left: all have the bytes or the group of images in val or test. Give "
        "splits that keep equal images and groups whole, or none, so that they are drawn"
    )


def _comparable(digests: NDArray[np.uint8]) -> NDArray[Any]:
    return np.ascontiguousarray(digests).view("V32").ravel()


def row_units(features: FeatureSet) -> NDArray[np.int64]:
    """Number the rows' units, ``(n,)``: rows of equal images or of one group share a number.

    A blank group is none.
    """
    _, units = np.unique(_comparable(features.digests), return_inverse=True)
    groups = features.manifest.listing.groups
    if groups is None:
        return units.astype(np.int64)
    names = np.array([groups[int(i)].strip() for i in features.kept], dtype=object)
    rows = np.flatnonzero(names != "")
    _, codes = np.unique(names[rows], return_inverse=True)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_images = int(units.max()) + 1
    size = n_images + len(rows)
    ends = (units[rows], n_images + codes)
    links = coo_array((np.ones(len(rows), np.int8), ends), shape=(size, size))
    _, components = connected_components(links, directed=False)
    return np.asarray(components[units], np.int64)


def _draw(
    pool: Mask,
    y: NDArray[np.int64],
    units: NDArray[np.int64],
    rng: np.random.Generator,
    at_least: int = 0,
) -> Mask:
    """Draw about a fifth of each class of ``pool``, whole units at a time.

    ``at_least`` so many units are drawn of each class that has more than those.
    """
    rows = np.flatnonzero(pool)
    unit_ids, first = np.unique(units[rows], return_index=True)
    classes = y[rows[first]]
    chosen = [
        rng.permutation(members)[: max(at_least, int(len(members) * HOLDOUT + 0.5))]
        for members in (unit_ids[classes == c] for c in np.unique(classes))
        if len(members) > 1
    ]
    drawn = np.concatenate([np.zeros(0, np.int64), *chosen])
    return pool & np.isin(units, drawn)
