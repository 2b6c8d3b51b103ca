"""Networks that Keras trains: deep ones, and all where the compiled code is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from tests_dense import SPEC, keras_twin

from featx.classifiers.heads.dense import compiled_networks, dense_head
from featx.classifiers.heads.dense.batches import Batches
from featx.classifiers.heads.dense.dense_head import DenseHead
from featx.classifiers.heads.dense.keras_networks import KerasNetworks
from featx.classifiers.heads.dense.network import Preset, forward
from featx.classifiers.heads.joint_fit import fit_many
from featx.classifiers.heads.training_data import Training


@pytest.fixture(autouse=True)
def _keras_trains(monkeypatch):
    """Let Keras train networks that compiled steps would, too."""
    monkeypatch.setattr(compiled_networks, "IS_COMPILED", False)


@pytest.mark.parametrize("weighted", [False, True])
def test_an_epoch_is_that_of_keras_own_layers_and_optimizer(weighted, digits):
    specs = [SPEC, replace(SPEC, lr=0.05, weight_decay=0.0), replace(SPEC, shape=Preset())]
    weight = np.linspace(0.5, 1.5, 320) if weighted else None
    data = Training(digits.X[:320] / 16, digits.y[:320], weight, 10)
    batches = Batches(data, 32, lambda block: block)
    networks = KerasNetworks(specs, 64, 10, 32)
    twins = [keras_twin(networks.layers(i), spec) for i, spec in enumerate(specs)]
    losses = networks.epoch(batches, np.random.default_rng(0))
    for i, twin in enumerate(twins):
        expected = []
        for X, y, sample_weight in batches.epoch(np.random.default_rng(0)):
            twin.reset_metrics()
            logs = twin.train_on_batch(X, y, sample_weight=sample_weight)
            expected.append(np.ravel(logs)[0])
        assert losses[i] == pytest.approx(np.mean(expected), rel=1e-3)
        logits = np.asarray(twin.predict_on_batch(digits.X_test / 16))
        np.testing.assert_allclose(
            forward(digits.X_test / 16, networks.layers(i)), logits, atol=2e-4
        )


def test_a_network_that_does_not_run_stays_as_it_is(digits):
    networks = KerasNetworks([SPEC, replace(SPEC, lr=0.1)], 64, 10, 32)
    networks.keep_running([1])
    before = [networks.layers(i)[0][0] for i in range(2)]
    data = Training(digits.X[:64], digits.y[:64], None, 10)
    losses = networks.epoch(Batches(data, 32, lambda block: block), np.random.default_rng(0))
    np.testing.assert_array_equal(before[0], networks.layers(0)[0][0])
    assert not np.array_equal(before[1], networks.layers(1)[0][0])
    assert np.isnan(losses[0]) and np.isfinite(losses[1])


@pytest.mark.parametrize(
    ("preset", "rates"),
    [
        (Preset(), (0.0,)),
        (Preset((), 0.3), (0.3,)),
        (Preset((4,), 0.5, dropout_first=True), (0.5, 0.0)),
        (Preset((4,), 0.5), (0.0, 0.5)),
        (Preset((4, 3), 0.2), (0.0, 0.2, 0.2)),
    ],
)
def test_dropout_stands_before_or_after_the_hidden_layers(preset, rates):
    assert replace(SPEC, shape=preset).dropout_rates == rates


def test_a_grid_equals_each_head_alone(digits):
    grid = [
        DenseHead("softmax", epochs=4, lr=0.01),
        DenseHead("dropout", epochs=3),
        DenseHead(hidden=(24, 16), epochs=5, dropout=0.3, lr=0.003),
        DenseHead(hidden=(24, 16), epochs=5, dropout=0.0, lr=0.03, patience=1),
    ]
    X, y = digits.X[:600], digits.y[:600]
    jointly = fit_many([clone(head) for head in grid], X, y)
    for head, other in zip(grid, jointly, strict=True):
        alone = clone(head).fit(X, y)
        assert (other.n_iter_, other.best_epoch_) == (alone.n_iter_, alone.best_epoch_)
        np.testing.assert_allclose(
            other.predict_proba(digits.X_test), alone.predict_proba(digits.X_test), atol=1e-3
        )


def test_a_network_that_diverges_leaves_the_others_alone(digits):
    heads = [DenseHead("softmax", epochs=3), DenseHead("softmax", epochs=3, lr=1e30)]
    first, wild = fit_many(heads, digits.X, digits.y)
    alone = DenseHead("softmax", epochs=3).fit(digits.X, digits.y)
    np.testing.assert_allclose(
        first.predict_proba(digits.X_test), alone.predict_proba(digits.X_test), atol=1e-4
    )
    assert wild.n_iter_ == 3


def test_a_large_grid_is_trained_in_several_parts(digits, monkeypatch):
    heads = [DenseHead("softmax", epochs=2, lr=lr) for lr in (0.001, 0.003, 0.01)]
    expected = fit_many([clone(head) for head in heads], digits.X, digits.y)
    monkeypatch.setattr(dense_head, "PART_BYTES", 2 * 4 * 65 * 10)
    for head, other in zip(expected, fit_many(heads, digits.X, digits.y), strict=True):
        np.testing.assert_allclose(head.kernel_0_, other.kernel_0_, atol=1e-4)
