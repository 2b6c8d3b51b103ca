"""The nearest rows are those of all cosines in float64, whatever the numbers are."""

from __future__ import annotations

import numpy as np
import pytest

from featx.cache import FeatureStore
from featx.cache.errors import CacheFormatError
from featx.cache.exchange.import_ import import_features
from featx.classifiers.similar import cosines
from featx.classifiers.similar.cosines import nearest_rows

N, D = 700, 24


@pytest.fixture
def small_blocks(monkeypatch):
    """Several windows and blocks of so few rows."""
    monkeypatch.setattr(cosines, "WINDOW_BYTES", 100 * 4 * D)
    monkeypatch.setattr(cosines, "BLOCK_BYTES", 30 * 4 * D)


def rows_of(storage: str) -> np.ndarray:
    X = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)
    X[3], X[650] = 0, 2 * X[7]
    X[100:140] = X[20]
    if storage == "float32":
        X[200], X[201], X[202] = X[7] * 1e30, X[7] * 1e-30, -X[7] * 1e30
        X[203] = 3e38
    else:
        X[200], X[201] = X[7] * 1e-4, X[7] * 3e-6
    return X.astype(storage)


def expected(X: np.ndarray, query: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
    X, query = X.astype(np.float64), query.astype(np.float64)
    lengths = np.linalg.norm(X, axis=1)
    similarities = X @ query / np.where(lengths, lengths, 1) / (np.linalg.norm(query) or 1)
    # Equal rows have equal cosines in exact numbers.
    order = np.argsort(-similarities.round(12), kind="stable")[:top]
    return similarities[order], order


@pytest.fixture(params=["float16", "float32"])
def stored(tmp_path, request):
    X = rows_of(request.param)
    np.savez(tmp_path / "x.npz", X=X)
    store = FeatureStore(tmp_path / "cache")
    import_features(store, tmp_path / "x.npz")
    return X, store


@pytest.mark.parametrize("n_threads", [1, 3])
def test_they_are_those_of_all_cosines(stored, small_blocks, n_threads):
    X, store = stored
    matrix = store.open_features().X
    for row in (7, 20, 3, 650):
        for top in (1, 5, 60, N, 2 * N):
            found, rows = nearest_rows(matrix, X[row], top, n_threads)
            similarities, order = expected(X, X[row], top)
            np.testing.assert_array_equal(rows, order)
            np.testing.assert_allclose(found, similarities, atol=1e-12)


def test_a_damaged_row_is_told(stored, small_blocks):
    X, store = stored
    (path,) = store.root.glob("sets/*/shards/*.h5")
    data = bytearray(path.read_bytes())
    position = data.find(X[600].tobytes())
    data[position] ^= 1
    path.write_bytes(data)
    with pytest.raises(CacheFormatError, match="600"):
        nearest_rows(store.open_features().X, X[0], 5, 2)
