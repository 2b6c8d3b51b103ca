"""Memory that heads with a closed form take for many classes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from featx.classifiers.heads.registry import find_head


@pytest.mark.parametrize("name", ["centroid", "lda", "ridge"])
def test_no_table_of_all_samples_by_all_classes_is_made(name):
    n_samples, n_classes = 60_000, 1000
    y = np.arange(n_samples) % n_classes
    X = np.random.default_rng(0).normal(size=(n_samples, 8)).astype(np.float32)
    X[:, 0] += y
    head = find_head(name).load_class()()
    tracemalloc.start()
    head.fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < n_samples * n_classes * 8
    assert head.predict(X[:100]).shape == (100,)
