"""Dense heads: presets, early stopping, determinism."""

from __future__ import annotations

import random

import numpy as np
import pytest

from featx.cache.errors import TrainingDataError
from featx.classifiers.heads.dense.dense_head import DenseHead
from featx.classifiers.heads.dense.network import cross_entropy


@pytest.mark.parametrize(
    ("preset", "shapes"),
    [
        ("softmax", [(64, 10)]),
        ("dropout", [(64, 256), (256, 10)]),
        ("mlp", [(64, 512), (512, 10)]),
    ],
)
def test_preset_learns(preset, shapes, digits):
    head = DenseHead(preset, lr=0.01, epochs=40).fit(digits.X, digits.y)
    found = [getattr(head, f"kernel_{i}_").shape for i in range(len(shapes))]
    assert found == shapes
    assert head.score(digits.X_test, digits.y_test) > 0.94


def test_dropout_without_a_hidden_layer_is_that_of_the_inputs(digits):
    """As a dropout layer right before the softmax; a preset's own belongs to its hidden layers."""
    kernels = [
        DenseHead(preset, hidden=hidden, dropout=dropout, epochs=2)
        .fit(digits.X, digits.y)
        .kernel_0_
        for preset, hidden, dropout in (
            ("softmax", None, None),
            ("mlp", (), None),
            ("mlp", (), 0.5),
            ("softmax", None, 0.5),
        )
    ]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    np.testing.assert_array_equal(kernels[2], kernels[3])
    assert not np.array_equal(kernels[1], kernels[2])


def test_seed_decides_and_global_generators_stay(digits):
    random.seed(5)
    np.random.seed(5)
    before = random.getstate(), np.random.get_state()[1].tolist()
    first, second, third = (
        DenseHead(hidden=(16,), epochs=4, random_state=seed)
        .fit(digits.X, digits.y)
        .predict_proba(digits.X_test)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, third)
    assert before == (random.getstate(), np.random.get_state()[1].tolist())


def test_stops_early_and_keeps_the_best_epoch(digits):
    noise = np.random.default_rng(0).integers(0, 10, 400)
    head = DenseHead(lr=0.01, epochs=60, patience=3)
    head.fit(digits.X[:400], noise, validation_data=(digits.X_test, digits.y_test))
    losses = head.history_["val_loss"]
    assert head.n_iter_ == len(losses) < 60
    assert min(losses[:-3]) - min(losses) < 0.01
    assert head.best_epoch_ == int(np.argmin(losses))
    logits = np.log(head.predict_proba(digits.X_test).astype(np.float64))
    kept = cross_entropy(logits, digits.y_test, np.ones(len(digits.y_test)))
    assert kept == pytest.approx(min(losses), rel=1e-4)


def test_stops_where_the_loss_falls_too_little_to_notice(digits):
    head = DenseHead("softmax", lr=0.01, epochs=90, patience=4).fit(digits.X, digits.y)
    losses = head.history_["val_loss"]
    assert head.converged_ and head.n_iter_ < 90
    assert min(losses[:-4]) - min(losses[-4:]) < 0.01


def test_probabilities_fit_the_validation_samples_also_after_one_epoch(digits):
    """After one epoch logits are small: without a temperature, the loss would be near log 10."""
    watched = digits.X_test, digits.y_test
    head = DenseHead("softmax", lr=1e-4, epochs=1).fit(digits.X, digits.y, validation_data=watched)
    logits = np.log(head.predict_proba(digits.X_test).astype(np.float64))
    weights = np.ones(len(digits.y_test))
    losses = [cross_entropy(logits * f, digits.y_test, weights) for f in (0.5, 0.98, 1.02, 2.0)]
    best = cross_entropy(logits, digits.y_test, weights)
    assert best == pytest.approx(head.history_["val_loss"][0], rel=1e-3)
    assert best < min(losses) + 1e-3
    assert best < 1.5


@pytest.mark.parametrize(
    ("n_samples", "rows"), [(20, 32), (2048, 32), (8192, 128), (10**5, 256), (10**7, 256)]
)
def test_few_samples_make_small_batches(n_samples, rows):
    assert DenseHead()._batch_rows(n_samples) == rows
    assert DenseHead(batch_size=100)._batch_rows(n_samples) == 100


def test_curves_are_kept_for_each_epoch(digits):
    head = DenseHead("softmax", epochs=5).fit(digits.X, digits.y)
    assert sorted(head.history_) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert {len(curve) for curve in head.history_.values()} == {5}
    assert head.history_["loss"][-1] < head.history_["loss"][0]


def test_without_validation_all_epochs_run(digits):
    head = DenseHead("softmax", epochs=4, patience=1, validation_fraction=0.0)
    head.fit(digits.X, digits.y)
    assert (head.n_iter_, head.best_epoch_, list(head.history_)) == (4, 3, ["loss", "accuracy"])


def test_validation_samples_of_unknown_classes_are_left_out(digits):
    rows = digits.y < 9
    head = DenseHead("softmax", epochs=2)
    head.fit(digits.X[rows], digits.y[rows], validation_data=(digits.X_test, digits.y_test))
    known = digits.y_test < 9
    accuracy = np.mean(head.predict(digits.X_test[known]) == digits.y_test[known])
    assert head.history_["val_accuracy"][head.best_epoch_] == pytest.approx(accuracy, abs=1e-6)


def test_validation_data_of_unknown_classes_only_is_as_none(digits):
    rows, others = digits.y < 9, digits.y_test == 9
    nines = (digits.X_test[others], digits.y_test[others])
    head = DenseHead("softmax", epochs=2)
    first = head.fit(digits.X[rows], digits.y[rows], validation_data=nines).history_
    assert first == head.fit(digits.X[rows], digits.y[rows]).history_


def test_validation_data_that_does_not_fit_is_refused(digits):
    head = DenseHead("softmax", epochs=1)
    with pytest.raises(TrainingDataError, match="validation_data"):
        head.fit(digits.X, digits.y, validation_data=(digits.X_test, digits.y_test[:3]))


def test_class_weight_moves_the_answer(digits):
    rows = np.isin(digits.y, (3, 8))
    noise = digits.X[rows] + np.random.default_rng(0).normal(0, 30, digits.X[rows].shape)
    counts = []
    for weight in ({3: 100.0}, {8: 100.0}):
        head = DenseHead("softmax", class_weight=weight, epochs=10, batch_size=32, lr=0.01)
        head.fit(noise.astype(np.float32), digits.y[rows])
        counts.append(int((head.predict(noise) == 3).sum()))
    assert counts[0] > counts[1]


def test_convergence_is_told(digits):
    head = DenseHead("softmax", epochs=2).fit(digits.X, digits.y)
    assert not head.converged_
    assert "epochs=2" in head.convergence_note()
    assert DenseHead("softmax", epochs=2, validation_fraction=0).fit(digits.X, digits.y).converged_
    head = DenseHead(lr=0.1, epochs=90, patience=1).fit(digits.X[:200], digits.y[:200])
    assert head.converged_ and head.convergence_note() == ""


def test_batch_larger_than_the_set_is_cut(digits):
    head = DenseHead("softmax", batch_size=10_000, epochs=2).fit(digits.X[:50], digits.y[:50])
    assert head.n_iter_ == 2
