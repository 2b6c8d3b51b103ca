"""Thresholds of classes: what is wished for holds on the rows they are chosen on."""

from __future__ import annotations

import numpy as np
import pytest

from featx.classifiers.models.model import Model
from featx.classifiers.selection.decisions.thresholds import Wish, choose_factors, class_rates

RNG = np.random.default_rng(0)


def predictions(n: int = 600, k: int = 3) -> tuple[np.ndarray, np.ndarray]:
    y = RNG.integers(0, k, n)
    logits = RNG.normal(size=(n, k)) + 1.2 * np.eye(k)[y]
    P = np.exp(logits)
    return P / P.sum(axis=1, keepdims=True), y


def decided(P: np.ndarray, factors: np.ndarray) -> np.ndarray:
    model = Model(None, tuple("abc")[: P.shape[1]], "h", None, decision={"factors": list(factors)})
    return model.decisive(P)


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.95, 1.0])
def test_a_class_is_found_as_often_as_is_wished_and_hardly_more(k: int, share: float) -> None:
    P, y = predictions(k=k)
    factors = choose_factors(P, y, Wish(min_recall={1: share}))
    plain, now = (class_rates(p, y, tuple("abc")[:k])[1] for p in (P, decided(P, factors)))
    assert now.recall >= share
    assert now.recall <= max(plain.recall, share + 1.01 / now.rows)
    assert factors.max() == 1 and (factors > 0).all()


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.1])
def test_false_alarms_are_no_more_than_is_allowed(k: int, share: float) -> None:
    P, y = predictions(k=k)
    labels = range(1, k)
    factors = choose_factors(P, y, Wish(max_false_alarm=dict.fromkeys(labels, share)))
    rates = class_rates(decided(P, factors), y, tuple("abc")[:k])
    assert all(rates[label].false_alarm <= share for label in labels)
    assert share == 0 or all(rates[label].recall > 0 for label in labels)


def test_costs_are_no_larger_than_before() -> None:
    P, y = predictions()
    costs = np.array([[0, 1, 1], [10, 0, 10], [1, 1, 0.0]])
    factors = choose_factors(P, y, Wish(costs=costs))
    before, after = (costs[y, p.argmax(axis=1)].mean() for p in (P, decided(P, factors)))
    assert after < 0.8 * before
    even = choose_factors(P, y, Wish(costs=1 - np.eye(3)))
    assert (decided(P, even).argmax(axis=1) == y).mean() >= (P.argmax(axis=1) == y).mean()


def test_no_thresholds_change_nothing() -> None:
    P, _ = predictions()
    assert decided(P, np.ones(3)) == pytest.approx(P)
    assert Model(None, tuple("abc"), "h", None).decisive(P) is P
