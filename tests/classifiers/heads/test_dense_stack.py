"""Dense networks as one program: each is what Keras' own layers and AdamW make of it alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from tests_dense import PLAN, keras_twin

from featx.classifiers.heads.dense import dense, dense_compiled
from featx.classifiers.heads.dense.dense import DenseHead
from featx.classifiers.heads.dense.dense_plan import Preset, forward
from featx.classifiers.heads.joint_fit import fit_many
from featx.extractor.engines.keras_import import import_keras

GRID = [
    DenseHead("softmax", epochs=6, lr=0.01),
    DenseHead("softmax", epochs=3, lr=0.001, weight_decay=0.1),
    DenseHead("dropout", epochs=5),
    DenseHead("dropout", epochs=5, dropout=0.2),
    DenseHead(hidden=(24, 16), epochs=6, dropout=0.3, lr=0.003),
    DenseHead(hidden=(24, 16), epochs=6, dropout=0.0, lr=0.03, patience=1),
    DenseHead("dropout", hidden=(24, 16), epochs=4, dropout=0.0, lr=0.003),
]
WITH_DROPOUT = replace(PLAN, shape=Preset((6,), 0.5, dropout_first=True))


@pytest.fixture(autouse=True)
def _keras_trains(monkeypatch):
    """Let Keras train networks that compiled steps would, too."""
    monkeypatch.setattr(dense_compiled, "IS_COMPILED", False)


def make_program(plans, batch_size=32):
    import_keras()
    from featx.classifiers.heads.dense.dense_stack import Program

    return Program(plans, 64, 10, batch_size)


@pytest.mark.parametrize("weighted", [False, True])
def test_each_model_learns_as_with_keras_own_layers_and_optimizer(weighted, digits):
    plans = [
        PLAN,
        replace(PLAN, lr=0.05, weight_decay=0.0),
        replace(PLAN, weight_decay=1e-4),
        replace(PLAN, shape=Preset()),
    ]
    program = make_program(plans)
    twins = [keras_twin(layers, plan) for layers, plan in zip(program.layers(), plans, strict=True)]
    losses = np.zeros(len(plans))
    for start in range(0, 320, 32):
        rows = slice(start, start + 32)
        X, y = digits.X[rows] / 16, digits.y[rows]
        weight = np.linspace(0.5, 1.5, 32, dtype=np.float32) if weighted else None
        program.step(X, y, weight)
        for i, twin in enumerate(twins):
            logs = twin.train_on_batch(X, y, sample_weight=weight)
            losses[i] += np.ravel(logs)[0]
    np.testing.assert_allclose(program.take_losses(), losses / 10, rtol=1e-3)
    for twin, layers in zip(twins, program.layers(), strict=True):
        expected = np.asarray(twin.predict_on_batch(digits.X_test / 16))
        np.testing.assert_allclose(forward(digits.X_test / 16, layers), expected, atol=2e-4)


def test_program_answers_as_numpy_does(digits):
    plans = [PLAN, replace(PLAN, seed=4)]
    program = make_program(plans, len(digits.X_test))
    found = np.asarray(program.model.predict_on_batch(digits.X_test))
    for i, layers in enumerate(program.layers()):
        np.testing.assert_allclose(forward(digits.X_test, layers), found[:, i], atol=1e-3)


def test_a_model_that_does_not_run_stays_as_it_is(digits):
    program = make_program([PLAN, replace(PLAN, lr=0.1)])
    program.keep_running([False, True])
    before = program.layers()
    program.step(digits.X[:32], digits.y[:32], None)
    after = program.layers()
    np.testing.assert_array_equal(before[0][0][0], after[0][0][0])
    assert not np.array_equal(before[1][0][0], after[1][0][0])


def test_a_smaller_program_learns_on_as_the_larger_would(digits):
    plans = [PLAN, replace(PLAN, lr=0.1), replace(PLAN, shape=Preset()), WITH_DROPOUT]
    program = make_program(plans)
    for start in (0, 32, 64):
        program.step(digits.X[start : start + 32] / 16, digits.y[start : start + 32], None)
    smaller = program.only([1, 3])
    for start in (96, 128):
        for each in (program, smaller):
            each.step(digits.X[start : start + 32] / 16, digits.y[start : start + 32], None)
    expected = program.layers()
    for layers, place in zip(smaller.layers(), (1, 3), strict=True):
        for (kernel, bias), (own_kernel, own_bias) in zip(layers, expected[place], strict=True):
            np.testing.assert_allclose(kernel, own_kernel, atol=1e-5)
            np.testing.assert_allclose(bias, own_bias, atol=1e-5)


@pytest.mark.parametrize(
    ("preset", "rates"),
    [
        (Preset(), (0.0,)),
        (Preset((4,), 0.5, dropout_first=True), (0.5, 0.0)),
        (Preset((4,), 0.5), (0.0, 0.5)),
        (Preset((4, 3), 0.2), (0.0, 0.2, 0.2)),
    ],
)
def test_dropout_stands_before_or_after_the_hidden_layers(preset, rates):
    assert replace(PLAN, shape=preset).dropout_rates == rates


@pytest.mark.parametrize("preset", [Preset((400,), 0.4), Preset((400,), 0.4, dropout_first=True)])
def test_dropout_silences_its_share_and_keeps_the_mean(preset):
    program = make_program([replace(PLAN, shape=preset)] * 2)
    from keras import ops

    (stack,) = program._stacks
    position = 0 if preset.dropout_first else 1
    values = np.ones((2, 32, 400) if position else (32, 400), np.float32)

    def drop():
        return np.asarray(
            ops.convert_to_numpy(stack._drop(ops.convert_to_tensor(values), position))
        )

    dropped = drop()
    assert np.mean(dropped == 0) == pytest.approx(0.4, abs=0.02)
    assert dropped.mean() == pytest.approx(1, abs=0.03)
    assert not np.array_equal(dropped, drop())


def test_a_grid_together_equals_each_head_alone(digits):
    X, y = digits.X[:600], digits.y[:600]
    together = fit_many([clone(head) for head in GRID], X, y)
    for head, found in zip(GRID, together, strict=True):
        alone = clone(head).fit(X, y)
        assert (found.n_iter_, found.best_epoch_) == (alone.n_iter_, alone.best_epoch_)
        for name, curve in alone.history_.items():
            np.testing.assert_allclose(found.history_[name], curve, rtol=1e-3)
        np.testing.assert_allclose(
            found.predict_proba(digits.X_test), alone.predict_proba(digits.X_test), atol=1e-3
        )
    assert len({head.n_iter_ for head in together}) > 1


def test_a_model_that_diverges_leaves_the_others_alone(digits):
    heads = [DenseHead("softmax", epochs=3), DenseHead("softmax", epochs=3, lr=1e30)]
    first, wild = fit_many(heads, digits.X, digits.y)
    alone = DenseHead("softmax", epochs=3).fit(digits.X, digits.y)
    np.testing.assert_allclose(
        first.predict_proba(digits.X_test), alone.predict_proba(digits.X_test), atol=1e-4
    )
    assert wild.n_iter_ == 3


def test_a_large_grid_is_trained_in_several_programs(digits, monkeypatch):
    heads = [DenseHead("softmax", epochs=2, lr=lr) for lr in (0.001, 0.003, 0.01)]
    expected = fit_many([clone(head) for head in heads], digits.X, digits.y)
    monkeypatch.setattr(dense, "PROGRAM_BYTES", 2 * 4 * 65 * 10)
    for head, found in zip(expected, fit_many(heads, digits.X, digits.y), strict=True):
        np.testing.assert_allclose(head.kernel_0_, found.kernel_0_, atol=1e-4)
