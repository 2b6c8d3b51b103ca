"""Candidates from bfloat16 products: the neighbours that float64 finds."""

from __future__ import annotations

import numpy as np
import pytest

from featx.classifiers.heads.matmul import bf16_matmul
from featx.classifiers.heads.matmul.bf16_matmul import multiplies_bfloat16
from featx.classifiers.heads.neighbours import neighbours
from featx.classifiers.heads.neighbours.knn import KNNHead
from featx.classifiers.heads.neighbours.neighbours import Search
from featx.classifiers.heads.registry import load_head

bfloat16 = pytest.mark.skipif(not multiplies_bfloat16(), reason="no faster bfloat16 here")


def make(n_samples, spread, n_features=48):
    rng = np.random.default_rng(0)
    center = rng.standard_normal(n_features)
    samples = (center + spread * rng.standard_normal((n_samples, n_features))).astype(np.float32)
    queries = (center + spread * rng.standard_normal((300, n_features))).astype(np.float32)
    return samples, queries


def distances(queries, samples):
    difference = queries[:, None, :].astype(np.float64) - samples[None, :, :]
    return np.sqrt((difference**2).sum(axis=2))


@bfloat16
@pytest.mark.parametrize(("n_samples", "spread"), [(20, 1.0), (900, 1.0), (900, 0.1), (900, 0.03)])
def test_fast_search_finds_the_nearest(monkeypatch, spread, n_samples):
    monkeypatch.setattr(bf16_matmul, "LARGE", 0)
    samples, queries = make(n_samples, spread)
    nearest, distance = Search(samples, len(queries)).nearest(queries, 7)
    exact = distances(queries, samples)
    np.testing.assert_allclose(
        np.take_along_axis(exact, nearest, axis=1), np.sort(exact, axis=1)[:, :7], rtol=1e-3
    )
    np.testing.assert_allclose(
        distance, np.take_along_axis(exact, nearest, axis=1), rtol=1e-5, atol=1e-7
    )


@bfloat16
def test_rows_that_bfloat16_cannot_settle_are_searched_again(monkeypatch):
    monkeypatch.setattr(bf16_matmul, "LARGE", 0)
    samples, queries = make(900, 1e-3)
    counted = []
    exactly = Search._exactly

    def spy(search, rows, n_neighbors):
        counted.append(len(rows))
        return exactly(search, rows, n_neighbors)

    monkeypatch.setattr(neighbours.Search, "_exactly", spy)
    Search(samples, len(queries)).nearest(queries, 7)
    assert sum(counted) == len(queries)


def test_more_neighbours_than_samples_are_all_of_them(digits):
    X, y = digits.X[:24], digits.y[:24]
    many, all_of_them = KNNHead(50).fit(X, y), KNNHead(24).fit(X, y)
    expected = all_of_them.predict_proba(digits.X_test)
    np.testing.assert_array_equal(many.predict_proba(digits.X_test), expected)
    again = load_head("knn", many.get_json_params(), many.get_arrays())
    np.testing.assert_array_equal(again.predict_proba(digits.X_test), expected)


@bfloat16
def test_knn_predicts_the_same_by_either_search(monkeypatch, digits):
    head = KNNHead(9).fit(digits.X, digits.y)
    exact = head.predict_proba(digits.X_test)
    monkeypatch.setattr(bf16_matmul, "LARGE", 0)
    np.testing.assert_allclose(head.predict_proba(digits.X_test), exact, atol=1e-5)
