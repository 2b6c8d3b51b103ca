"""Temperatures and folds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featx.classifiers.heads.calibration import (
    MOST_VALUES,
    calibration_draw,
    fit_temperature,
    probabilities,
    softmax,
)
from featx.classifiers.heads.svm.one_vs_one import couple_pairs, votes_of_pairs


@pytest.mark.parametrize("true", [0.2, 1.0, 7.0])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_temperature_is_found_again(true, n_classes):
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(20_000, n_classes))
    chance = softmax(true * logits).cumsum(axis=1)
    y = (generator.random((20_000, 1)) > chance).sum(axis=1)
    decision = logits[:, 1] - logits[:, 0] if n_classes == 2 else logits
    assert fit_temperature(decision, y) == pytest.approx(true, rel=0.05)


def test_temperature_of_separated_samples_is_finite():
    y = np.arange(100) % 2
    assert 0 < fit_temperature(2.0 * y - 1, y) < 100


def test_temperature_of_useless_decisions_is_harmless():
    assert fit_temperature(np.zeros((10, 3)), np.arange(10) % 3) == 1.0
    wrong = fit_temperature(1.0 - 2 * (np.arange(10) % 2), np.arange(10) % 2)
    assert 0 < wrong < 1e-3


def test_few_samples_are_all_calibrated_with():
    weights = np.linspace(1, 2, 3000)
    rows, weighed = calibration_draw(weights, 10)
    np.testing.assert_array_equal(rows, np.arange(3000))
    np.testing.assert_array_equal(weighed, weights)


def test_of_many_samples_a_draw_weighs_as_much_as_all():
    weights = np.linspace(1, 2, 20_000)
    rows, weighed = calibration_draw(weights, 1000)
    assert len(rows) == MOST_VALUES // 1000 and (np.diff(rows) > 0).all()
    assert weighed.sum() == pytest.approx(weights.sum())
    # no class is passed over, however labels repeat
    assert all(len(np.unique(rows % period)) == period for period in (2, 8, 125))
    np.testing.assert_array_equal(rows, calibration_draw(weights, 1000)[0])


def test_temperature_of_a_draw_is_that_of_all(monkeypatch):
    generator = np.random.default_rng(0)
    logits = 3 * generator.normal(size=(20_000, 4)).astype(np.float32)
    y = (generator.random((20_000, 1)) > softmax(2 * logits).cumsum(axis=1)).sum(axis=1)
    of_all = fit_temperature(logits, y)
    monkeypatch.setattr("featx.classifiers.heads.calibration.MOST_VALUES", 20_000)
    assert fit_temperature(logits, y) == pytest.approx(of_all, rel=0.05)
    # separated samples: the smoothing of the labels, by the number of all samples, bounds it
    separated = np.eye(4, dtype=np.float32)[y]
    drawn = fit_temperature(separated, y)
    monkeypatch.undo()
    assert drawn == pytest.approx(fit_temperature(separated, y), rel=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probabilities_survive_large_decisions(dtype):
    margins = np.array([-1e30, -5, 0, 5, 1e30], dtype)
    found = probabilities(margins)
    assert found.dtype == dtype
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(found[:, 1], [0, 0.0066928509, 0.5, 0.9933071491, 1], rtol=1e-5)
    np.testing.assert_allclose(probabilities(np.array([[1e30, 0, -1e30]], dtype)), [[1, 0, 0]])


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 6))
def test_coupled_pairs_name_the_class_of_the_votes(seed, n_classes):
    n_pairs = n_classes * (n_classes - 1) // 2
    decisions = np.random.default_rng(seed).normal(size=(20, n_pairs))
    votes, coupled = votes_of_pairs(decisions, n_classes), couple_pairs(decisions, n_classes)
    np.testing.assert_array_equal(votes.argmax(axis=1), coupled.argmax(axis=1))
