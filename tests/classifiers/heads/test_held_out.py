"""What heads hold out of their own training samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featx.classifiers.heads.held_out import calibration_folds, hold_out, stratified_folds
from featx.classifiers.heads.registry import HEADS, make_head

SAMPLES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=2, max_size=60)


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=60), st.integers(2, 5))
def test_folds_hold_each_sample_out_once_and_keep_every_class(labels, n_folds):
    y = np.array(labels)
    held = np.zeros(len(y), int)
    for train, held_out in stratified_folds(y, n_folds):
        assert set(y[train]) == set(y)
        assert sorted([*train, *held_out]) == list(range(len(y)))
        held[held_out] += 1
    counts = np.bincount(y)[y]
    np.testing.assert_array_equal(held, (counts > 1).astype(int))


def test_one_fold_is_enough_for_many_samples():
    y = np.arange(6000) % 3
    ((train, held_out),) = calibration_folds(y)
    assert (len(train), len(held_out)) == (4800, 1200)
    assert len(calibration_folds(y[:300])) == 3


@settings(deadline=None)
@given(SAMPLES, st.integers(2, 5))
def test_groups_stay_together_and_every_class_is_learned(samples, n_folds):
    y, groups = np.array(samples, np.int64).T
    for train, held_out in stratified_folds(y, n_folds, groups=groups):
        assert set(y[train]) == set(y)
        assert not set(groups[train]) & set(groups[held_out])
    mask = hold_out(y, 0.2, np.random.default_rng(0), groups)
    assert set(y[~mask]) == set(y)
    assert not set(groups[~mask]) & set(groups[mask])


@pytest.mark.parametrize("group_size", [1, 4])
def test_the_stated_share_of_each_class_is_held_out(group_size):
    y = np.repeat(np.arange(3), [400, 200, 40])
    groups = np.arange(len(y)) // group_size
    mask = hold_out(y, 0.1, np.random.default_rng(0), groups)
    assert np.bincount(y[mask]).tolist() == [40, 20, 4]


def test_a_class_of_one_group_is_not_held_out():
    y = np.repeat([0, 1], 20)
    groups = np.where(y == 1, 99, np.arange(40) // 2)
    mask = hold_out(y, 0.5, np.random.default_rng(0), groups)
    assert not mask[y == 1].any() and mask[y == 0].sum() == 10


@pytest.mark.parametrize("name", HEADS)
def test_every_head_takes_groups(name, digits):
    head = make_head(name)
    if "width" in head.get_params():
        head.set_params(width=256)
    if "lr" in head.get_params():
        head.set_params(lr=0.01, epochs=20)
    groups = np.arange(400) // 5
    head.fit(digits.X[:400], digits.y[:400], groups=groups)
    assert head.score(digits.X_test, digits.y_test) > 0.7
    with pytest.raises(ValueError, match=r"groups\.shape"):
        head.fit(digits.X[:400], digits.y[:400], groups=groups[:9])
