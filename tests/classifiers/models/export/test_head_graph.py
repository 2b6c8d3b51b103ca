"""Graphs of heads alone: the numbers of ``predict_proba``."""

from __future__ import annotations

import numpy as np
import pytest

import featx
from export_shared import SPEC
from featx.classifiers.heads.registry import HEADS, make_head
from featx.classifiers.models.export.head_graph import probabilities_of

OPTIONS = {
    "dense": {"epochs": 3},
    "centroid": {"metric": "cosine"},
    "projection": {"width": 64},
}


def graph_of(model: featx.Model, X: np.ndarray) -> np.ndarray:
    """Run the head's graph alone on features."""
    import keras

    features = keras.Input((X.shape[1],))
    graph = keras.Model(features, probabilities_of(features, model))
    return np.asarray(graph(X))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", HEADS)
def test_every_head_is_a_graph(name: str, n_classes: int) -> None:
    rng = np.random.default_rng(3)
    y = np.arange(120) % n_classes
    X = (rng.normal(size=(120, 9)) * np.logspace(-3, 1, 9) + 5 + y[:, None]).astype(np.float32)
    head = make_head(name, **OPTIONS.get(name, {})).fit(X, y)
    model = featx.Model(SPEC, ("ä", "b", "c")[:n_classes], name, head)
    np.testing.assert_allclose(graph_of(model, X), model.predict_proba(X), atol=1e-5)


def test_classes_that_the_head_never_saw_get_probability_0() -> None:
    X = np.random.default_rng(3).normal(size=(20, 4)).astype(np.float32)
    head = make_head("centroid").fit(X, np.arange(20) % 2 * 2)
    model = featx.Model(SPEC, ("a", "never", "c"), "centroid", head)
    found = graph_of(model, X)
    np.testing.assert_allclose(found, model.predict_proba(X), atol=1e-6)
    assert not found[:, 1].any()


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("standardize", [False, True])
def test_neighbours_count_as_in_featx(weights: str, metric: str, standardize: bool) -> None:
    rng = np.random.default_rng(4)
    y = np.arange(90) % 3
    X = (rng.normal(size=(90, 6)) + y[:, None]).astype(np.float32)
    X[1], y[1], X[2] = X[0], y[0], 0
    options = {"weights": weights, "metric": metric, "standardize": standardize}
    head = make_head("knn", n_neighbors=5, **options).fit(X, y, sample_weight=1.0 + y)
    model = featx.Model(SPEC, ("a", "b", "c"), "knn", head)
    queries = np.concatenate([X[:30], X[:30] + rng.normal(0, 0.3, (30, 6)).astype(np.float32)])
    np.testing.assert_allclose(graph_of(model, queries), model.predict_proba(queries), atol=2e-6)


def test_thresholds_are_in_the_graph() -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 4)).astype(np.float32)
    head = make_head("centroid").fit(X, np.arange(60) % 2 * 2)
    decision = {"factors": [1e-3, 0.5, 1.0]}
    model = featx.Model(SPEC, ("a", "never", "c"), "centroid", head, decision=decision)
    found = graph_of(model, X)
    np.testing.assert_allclose(found, model.decisive(model.predict_proba(X)), atol=1e-5)
    assert (found.argmax(axis=1) == 2).sum() > (model.predict_proba(X).argmax(axis=1) == 2).sum()
