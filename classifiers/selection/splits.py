"""Which samples a head learns from, is chosen by, and is judged by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import FeatureSet
from ...cache.errors import TrainingDataError

HOLDOUT = 0.2


@dataclass(frozen=True)
class Split:
    """Row numbers of a FeatureSet, ascending and disjoint.

    Attributes
    ----------
    train, val, test : ndarray of int64
    n_leaking : int
        Training rows left out because an image with the same bytes stands in val or test.
    """

    train: NDArray[np.int64]
    val: NDArray[np.int64]
    test: NDArray[np.int64]
    n_leaking: int

    def to_dict(self) -> dict[str, Any]:
        """Return how many rows each part has, and the SHA-256 of their numbers, as JSON types."""
        parts = {"train": self.train, "val": self.val, "test": self.test}
        state = hashlib.sha256()
        for rows in parts.values():
            state.update(np.int64(len(rows)).tobytes())
            state.update(rows.astype("<i8").tobytes())
        return {**{name: len(rows) for name, rows in parts.items()}, "digest": state.hexdigest()}


def split_features(features: FeatureSet, random_state: int = 0) -> Split:
    """Split the labelled rows of ``features``.

    Splits that the source gives are kept. What it does not give is drawn from the training rows:
    a fifth for testing, then a fifth of the rest for validation; stratified by class, whole groups
    and whole sets of equal images at a time. A class keeps at least one sample in train.

    Raises
    ------
    TrainingDataError
        There are no labels, or no training rows.
    """
    if not (features.y >= 0).any():
        raise TrainingDataError(
            f"no labels in {features.manifest.location}: heads learn from a folder with one "
            "subfolder per class, or from an IDX pair"
        )
    units = row_units(features)
    val, test = features.in_split("val"), features.in_split("test")
    train = (features.y >= 0) & ~val & ~test
    rng = np.random.default_rng(random_state)
    if not test.any():
        test = _draw(train, features.y, units, rng)
        train &= ~test
    if not val.any():
        val = _draw(train, features.y, units, rng)
        train &= ~val
    leaking = train & np.isin(units, units[val | test])
    train &= ~leaking
    if not train.any():
        raise TrainingDataError("no training rows are left once validation and test are set apart")
    return Split(
        np.flatnonzero(train), np.flatnonzero(val), np.flatnonzero(test), int(leaking.sum())
    )


def row_units(features: FeatureSet) -> NDArray[np.int64]:
    """Number the sets of rows that must stay together: one group, or equal images; ``(n,)``."""
    digests = np.ascontiguousarray(features.digests).view("V32").ravel()
    _, units = np.unique(digests, return_inverse=True)
    groups = features.manifest.listing.groups
    if groups is None:
        return units.astype(np.int64)
    names = np.array([groups[int(i)] for i in features.kept], dtype=object)
    _, codes = np.unique(names, return_inverse=True)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = int(units.max()) + 1
    size = n + int(codes.max()) + 1
    links = coo_array((np.ones(len(units), np.int8), (units, n + codes)), shape=(size, size))
    _, parts = connected_components(links, directed=False)
    return np.asarray(parts[units], np.int64)


def _draw(
    pool: NDArray[np.bool_],
    y: NDArray[np.int64],
    units: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Draw about a fifth of each class of ``pool``, whole units at a time."""
    rows = np.flatnonzero(pool)
    unit_ids, first = np.unique(units[rows], return_index=True)
    classes = y[rows[first]]
    chosen = [
        rng.permutation(members)[: int(len(members) * HOLDOUT + 0.5)]
        for members in (unit_ids[classes == c] for c in np.unique(classes))
        if len(members) > 1
    ]
    drawn = np.concatenate([np.zeros(0, np.int64), *chosen])
    return pool & np.isin(units, drawn)
