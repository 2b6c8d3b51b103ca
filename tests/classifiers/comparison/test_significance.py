"""The tests of differences against worked examples and other computations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, norm
from sklearn.metrics import roc_auc_score

from featx.classifiers.comparison.significance import bootstrap_p_value, delong, holm, mcnemar


def test_mcnemar_is_the_binomial_test_of_the_rows_that_only_one_gets_right() -> None:
    right_a = np.array([True] * 21 + [False] * 9 + [True] * 50)
    right_b = np.array([False] * 21 + [True] * 9 + [True] * 50)
    tested = mcnemar(right_a, right_b)
    assert (tested.only_a, tested.only_b) == (21, 9)
    # Twice the chance of 21 heads or more in 30 tosses.
    assert tested.p_value == pytest.approx(0.0427739, abs=1e-7)
    assert mcnemar(right_b, right_a).p_value == tested.p_value
    assert tested.p_value == pytest.approx(binomtest(9, 30).pvalue)
    assert mcnemar(right_a, right_a).p_value == 1.0


def paired_scores(n: int = 80) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    is_positive = rng.random(n) < 0.4
    a = rng.normal(is_positive * 1.0, 1).round(1)
    return is_positive, a, (a * 0.5 + rng.normal(is_positive * 1.2, 1)).round(1)


def test_delong_equals_its_definition_pair_by_pair() -> None:
    is_positive, a, b = paired_scores()
    wins = []
    for scores in (a, b):
        x, y = scores[is_positive][:, None], scores[~is_positive][None]
        wins.append((x > y) + 0.5 * (x == y))
    gap = wins[1] - wins[0]
    variance = gap.mean(axis=1).var(ddof=1) / len(gap) + gap.mean(axis=0).var(ddof=1) / gap.shape[1]
    expected = 2 * norm.sf(abs(gap.mean()) / np.sqrt(variance))
    tested = delong(is_positive, a, b)
    assert tested.auc_a == pytest.approx(roc_auc_score(is_positive, a))
    assert tested.auc_b == pytest.approx(roc_auc_score(is_positive, b))
    assert tested.difference == pytest.approx(gap.mean())
    assert tested.p_value == pytest.approx(expected)
    half = norm.ppf(0.975) * np.sqrt(variance)
    assert tested.interval == pytest.approx((gap.mean() - half, gap.mean() + half))


def test_delong_of_equal_scores_and_of_too_few_rows() -> None:
    is_positive, a, _ = paired_scores()
    assert delong(is_positive, a, a).p_value == 1.0
    assert delong(np.array([True, False, False]), a[:3], a[3:6]) is None


def test_holm_of_the_textbook() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_bootstrap_p_value_is_twice_the_smaller_side() -> None:
    draws = np.concatenate([np.full(20, -1.0), np.full(979, 1.0), [np.nan]])
    assert bootstrap_p_value(draws) == pytest.approx(2 * 21 / 1000)
    assert bootstrap_p_value(np.ones(999)) == pytest.approx(2 / 1000)
    assert bootstrap_p_value(np.zeros(999)) == 1.0
