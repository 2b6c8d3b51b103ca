"""Assigning units to splits: as the cache keeps it, else by their keyed hashes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....cache import NO_SPLIT, SPLITS, FeatureSet
from ....cache.errors import CacheWriteError
from ....cache.records.split_table import SplitTable
from .draw import TEST, VAL, VAL_OF_REST, draw_part
from .units import Units

TRAIN_CODE, VAL_CODE, TEST_CODE = range(len(SPLITS))
FEW_UNITS = 3
"""Units of a class that are few: one tests, one judges, one is learned from."""


@dataclass(frozen=True)
class Assigned:
    """The splits of the units of a pool of rows.

    Attributes
    ----------
    codes : ndarray of int64, shape (n_samples,)
        Index into ``SPLITS``; of rows outside the pool it means nothing.
    is_small : bool
        Whether no class has more than three units.
    not_kept : str
        Why the cache could not keep what was assigned.
    """

    codes: NDArray[np.int64]
    is_small: bool
    not_kept: str


def assign(
    features: FeatureSet,
    units: Units,
    pool: NDArray[np.bool_],
    seed: int,
    drawn: tuple[int, ...] = (TEST_CODE, VAL_CODE),
) -> Assigned:
    """Assign the units of ``pool`` to train and the ``drawn`` parts, and let the cache keep it.

    Parameters
    ----------
    features : FeatureSet
    units : Units
    pool : ndarray of bool, shape (n_samples,)
        The rows to draw from.
    seed : int
    drawn : tuple of int
        Indices into ``SPLITS``: the parts that the source does not give.
    """
    rows = np.flatnonzero(pool)
    unit_ids, first = np.unique(units.rows[rows], return_index=True)
    classes = features.y[rows[first]]
    key_rows = np.flatnonzero(np.isin(units.owners, unit_ids))
    keys, owners = units.keys[key_rows], np.searchsorted(unit_ids, units.owners[key_rows])
    table = None
    kept = np.full(len(keys), NO_SPLIT, np.int64)
    if features.layout is not None:
        table = SplitTable(features.layout, seed, ",".join(SPLITS[code] for code in drawn))
        kept = table.find(keys).astype(np.int64)
    kept[(kept >= 0) & ~np.isin(kept, drawn)] = TRAIN_CODE
    before = np.full(len(unit_ids), NO_SPLIT, np.int64)
    np.maximum.at(before, owners, kept)
    by_unit = _draw(units.hashes[unit_ids], classes, before, drawn)
    is_new = kept < 0
    kept[is_new] = by_unit[owners[is_new]]
    not_kept = ""
    if table is not None:
        not_kept = _keep(table, keys[is_new], kept[is_new])
    code_of_key = np.full(len(units.keys), NO_SPLIT, np.int64)
    code_of_key[key_rows] = kept
    is_small = int(np.bincount(classes).max()) <= FEW_UNITS
    return Assigned(code_of_key[units.row_keys], is_small, not_kept)


def _draw(
    hashes: NDArray[np.uint64],
    classes: NDArray[np.int64],
    before: NDArray[np.int64],
    drawn: tuple[int, ...],
) -> NDArray[np.int64]:
    """Return the split of each unit; those that were assigned before keep theirs."""
    codes = np.where(before >= 0, before, TRAIN_CODE)
    is_free = before < 0
    parts = {TEST_CODE: TEST, VAL_CODE: VAL if TEST_CODE in drawn else VAL_OF_REST}
    for code in drawn:
        taken = draw_part(parts[code], hashes, classes, codes == code, is_free)
        codes[taken] = code
        is_free &= ~taken
    return codes


def _keep(table: SplitTable, keys: NDArray[np.uint64], codes: NDArray[np.int64]) -> str:
    """Let the cache keep new assignments; return why it cannot."""
    try:
        table.add(keys, codes.astype(np.int8))
    except CacheWriteError as error:
        return str(error)
    return ""
