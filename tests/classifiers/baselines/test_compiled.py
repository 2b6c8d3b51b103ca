"""A learner's means and steps, and JAX' own steps beside those of Keras."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from featx.classifiers.baselines.compiled import Batch, JaxLearner, Learner, make_learner
from featx.classifiers.tuning.samples import class_shares

N, SIZE = 70, 16
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 6, 6, 3)).astype(np.float32)
WEIGHT = RNG.uniform(0.5, 1.5, N).astype(np.float32)


def network(n_logits: int) -> tuple[Any, Any]:
    """Return a network with dropout and batch normalisation, and its optimiser."""
    import keras

    keras.utils.set_random_seed(3)
    layers = keras.layers
    pixels = keras.Input((6, 6, 3))
    x = layers.BatchNormalization()(layers.Conv2D(8, 3, activation="relu")(pixels))
    x = layers.Dropout(0.2)(layers.Flatten()(x))
    model = keras.Model(pixels, layers.Dense(n_logits)(x))
    optimiser = keras.optimizers.Adam(1e-2)
    optimiser.build(model.trainable_variables)
    return model, optimiser


def batches(n_classes: int, is_weighted: bool) -> Iterator[Batch]:
    """Yield batches, the last of them smaller, with rates that rise."""
    y = np.arange(N) % n_classes
    for start in range(0, N, SIZE):
        rows = slice(start, start + SIZE)
        weight = WEIGHT[rows] if is_weighted else None
        yield Batch(X[rows], y[rows], weight, 1e-3 * (1 + start / N))


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_a_learner_learns_and_its_means_are_those_of_all_samples(
    n_classes: int, is_weighted: bool
) -> None:
    learner = make_learner(*network(1 if n_classes == 2 else n_classes))
    losses = [learner.train(batches(n_classes, is_weighted))["loss"] for _ in range(12)]
    assert losses[-1] < 0.7 * losses[0]
    judged = learner.judge(batches(n_classes, is_weighted))
    logits = np.asarray(learner.network.predict_on_batch(X), np.float64)
    logits = np.hstack([np.zeros((N, 1)), logits]) if n_classes == 2 else logits
    y, weight = np.arange(N) % n_classes, WEIGHT if is_weighted else np.ones(N)
    is_right = logits.argmax(1) == y
    assert judged["accuracy"] == pytest.approx((weight * is_right).sum() / weight.sum())
    if not is_weighted:
        loss = np.log(np.exp(logits).sum(1)) - logits[np.arange(N), y]
        assert judged["loss"] == pytest.approx(loss.mean(), rel=1e-4)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_shares_of_one_class_are_learned_as_that_class(n_classes: int) -> None:
    n_logits = 1 if n_classes == 2 else n_classes
    plain = make_learner(*network(n_logits))
    shared = make_learner(*network(n_logits), takes_shares=True)

    def in_shares() -> Iterator[Batch]:
        for batch in batches(n_classes, True):
            yield replace(batch, y=class_shares(batch.y, n_logits))

    for _ in range(2):
        expected = plain.train(batches(n_classes, True))
        assert shared.train(in_shares()) == pytest.approx(expected, rel=1e-4)
    expected = plain.judge(batches(n_classes, True))
    assert shared.judge(in_shares()) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_a_learner_under_jax_takes_the_steps_of_keras(n_classes: int, is_weighted: bool) -> None:
    import keras

    if keras.backend.backend() != "jax":
        pytest.skip("JAX' steps run under JAX: make test-backends")
    ends = []
    for kind in (Learner, JaxLearner):
        learner = kind(*network(1 if n_classes == 2 else n_classes))
        trained = [learner.train(batches(n_classes, is_weighted)) for _ in range(2)]
        judged = learner.judge(batches(n_classes, is_weighted))
        numbers = [*trained[0].values(), *trained[1].values(), *judged.values()]
        ends.append((numbers, learner.network.get_weights()))
    assert ends[1][0] == pytest.approx(ends[0][0], rel=1e-5)
    for mine, theirs in zip(ends[1][1], ends[0][1], strict=True):
        assert mine == pytest.approx(theirs, abs=1e-6)
