"""Outliers."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import NearestNeighbors

from featx.classifiers.comparison.report.lists.outliers import find_outliers, neighbour_distances

ROWS = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)


def test_distances_are_those_of_scikit_learn() -> None:
    reference = np.arange(0, 300, 2)
    found = neighbour_distances(ROWS, reference)
    # A row that is in the reference finds itself first; others do not.
    near = NearestNeighbors(n_neighbors=11).fit(ROWS[reference])
    expected, _ = near.kneighbors(ROWS)
    of_reference = np.arange(300) % 2 == 0
    assert np.allclose(found[of_reference], expected[of_reference, 1:].mean(axis=1), atol=1e-3)
    assert np.allclose(found[~of_reference], expected[~of_reference, :10].mean(axis=1), atol=1e-3)


def test_what_stands_apart_comes_first() -> None:
    rows = ROWS.copy()
    rows[[7, 9]] += np.array([[100.0], [50.0]], np.float32)
    far = find_outliers(neighbour_distances(rows, np.arange(300)), 5)
    assert far.tolist()[:2] == [7, 9] and len(far) <= 5


def test_few_or_equal_rows_have_no_outliers() -> None:
    assert not len(find_outliers(neighbour_distances(ROWS[:1], np.arange(1)), 5))
    equal = np.zeros((20, 3), np.float32)
    assert not len(find_outliers(neighbour_distances(equal, np.arange(20)), 5))
