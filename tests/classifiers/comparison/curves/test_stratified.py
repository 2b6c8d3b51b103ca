"""Stratified samples."""

from __future__ import annotations

import numpy as np

from featx.classifiers.comparison.curves.stratified import stratified_sample


def test_few_rows_are_all_taken() -> None:
    assert stratified_sample(np.array([1, 0, 1]), 3).tolist() == [0, 1, 2]
    assert stratified_sample(np.zeros(0, np.int64), 3).tolist() == []


def test_classes_keep_their_share_and_rare_ones_stay() -> None:
    y = np.repeat([0, 1, 2, -1], [600, 300, 1, 99])
    rows = stratified_sample(np.random.default_rng(0).permutation(y), 100)
    assert len(np.unique(rows)) == 100 and (np.diff(rows) > 0).all()
    labels = np.random.default_rng(0).permutation(y)[rows]
    counts = {label: int((labels == label).sum()) for label in (0, 1, 2, -1)}
    assert counts[2] == 1 and abs(counts[0] - 60) <= 1
    assert abs(counts[1] - 30) <= 1 and abs(counts[-1] - 10) <= 1


def test_a_sample_is_drawn_the_same_way_again() -> None:
    y = np.arange(1000) % 7
    assert np.array_equal(stratified_sample(y, 50), stratified_sample(y, 50))
    assert not np.array_equal(stratified_sample(y, 50), stratified_sample(y, 50, 1))


def test_groups_come_one_after_the_other() -> None:
    y, groups = np.arange(120) % 2, np.arange(120) // 10
    for n_rows in (7, 20, 50):
        rows = stratified_sample(y, n_rows, groups=groups)
        assert len(np.unique(rows)) == n_rows
        for label in (0, 1):
            _, counts = np.unique(groups[rows][y[rows] == label], return_counts=True)
            assert (np.sort(counts)[1:] == 5).all(), "all but one group are whole"
