"""Training samples that a head holds out by itself: to stop early, or to calibrate."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .row_blocks import Ints

Mask = NDArray[np.bool_]


def stratified_folds(
    y: Ints, n_folds: int, seed: int = 0, groups: Ints | None = None
) -> Iterator[tuple[Ints, Ints]]:
    """Split samples into folds, each class spread evenly over them and each group in one.

    A class of one sample, or of one group, is never held out: every training side knows every
    class.

    Parameters
    ----------
    y : ndarray of int64, shape (n_samples,)
        Class indices.
    n_folds, seed : int
    groups : ndarray of int64, shape (n_samples,), optional
        Samples of one number stay together.

    Yields
    ------
    train, held_out : ndarray of int64
        Indices in ascending order; folds that would hold nothing out are left out.
    """
    units, unit_classes = _units(y, groups)
    unit_folds = np.full(len(unit_classes), -1)
    generator = np.random.default_rng(seed)
    for label in np.unique(y):
        members = generator.permutation(np.flatnonzero(unit_classes == label))
        if len(members) > 1:
            unit_folds[members] = np.arange(len(members)) % n_folds
    for i in range(n_folds):
        mask = _without_whole_classes(unit_folds[units] == i, y, units)
        if mask.any():
            yield np.flatnonzero(~mask), np.flatnonzero(mask)


def calibration_folds(
    y: Ints, n_folds: int = 3, n_enough: int = 1000, groups: Ints | None = None
) -> list[tuple[Ints, Ints]]:
    """Choose what is held out to fit one temperature: few samples suffice for one number.

    Returns
    -------
    list of (train, held_out)
        All of ``n_folds`` folds, or one fold of a fifth where that alone holds ``n_enough``
        samples or groups out; empty where nothing can be held out.
    """
    n_units = len(y) if groups is None else len(np.unique(groups))
    if n_units >= 5 * n_enough:
        return list(stratified_folds(y, 5, groups=groups))[:1]
    return list(stratified_folds(y, n_folds, groups=groups))


def hold_out(
    y: Ints, fraction: float, generator: np.random.Generator, groups: Ints | None = None
) -> Mask:
    """Choose ``fraction`` of each class, at least one sample of two or more, groups whole.

    A class of one sample, or of one group, is never held out.

    Returns
    -------
    ndarray of bool, shape (n_samples,)
    """
    units, unit_classes = _units(y, groups)
    sizes = np.bincount(units)
    chosen = np.zeros(len(unit_classes), bool)
    for label in np.unique(y):
        members = generator.permutation(np.flatnonzero(unit_classes == label))
        wanted = max(1, round(fraction * int(sizes[members].sum())))
        n_units = max(1, int(np.count_nonzero(np.cumsum(sizes[members]) <= wanted)))
        chosen[members[: min(n_units, len(members) - 1)]] = True
    return _without_whole_classes(chosen[units], y, units)


def _units(y: Ints, groups: Ints | None) -> tuple[Ints, Ints]:
    """Number what stays together; return each sample's unit, and each unit's commonest class."""
    if groups is None:
        return np.arange(len(y)), y
    units = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    pairs, counts = np.unique(np.stack([units, y]), axis=1, return_counts=True)
    unit_classes = np.empty(int(units.max()) + 1, np.int64)
    order = np.argsort(counts, kind="stable")
    unit_classes[pairs[0, order]] = pairs[1, order]
    return units, unit_classes


def _without_whole_classes(mask: Mask, y: Ints, units: Ints) -> Mask:
    """Give back the units of classes that would be held out whole."""
    lost = np.setdiff1d(y[mask], y[~mask])
    result: Mask = mask & ~np.isin(units, units[np.isin(y, lost)])
    return result
