"""Bootstrap intervals against closed forms; the same seed gives the same draws."""

from __future__ import annotations

import numpy as np
import pytest
from metrics_shared import EIGHT, random_rows

from featx.classifiers.selection.metrics import (
    METRICS,
    bootstrap,
    bootstrap_draws,
    bootstrap_interval,
    draw_weights,
    measure,
)


def test_draws_have_as_many_rows_as_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    (whole,) = draw_weights(50, 30, 7)
    assert whole.shape == (50, 30) and (whole.sum(axis=0) == 50).all()
    monkeypatch.setattr(bootstrap, "PART_NUMBERS", 400)
    parts = list(draw_weights(50, 30, 7))
    assert len(parts) == 4
    assert (np.concatenate(parts, axis=1) == whole).all()


def test_the_interval_of_a_share_is_that_of_the_closed_form() -> None:
    y, probabilities = random_rows(2000)
    draws = bootstrap_draws([METRICS["accuracy"]], y, probabilities)["accuracy"]
    low, high = bootstrap_interval(draws)
    closed = measure(y, probabilities, EIGHT).intervals["accuracy"]
    assert (low, high) == pytest.approx(closed, abs=0.003)


def test_the_interval_of_a_mean_is_that_of_the_central_limit() -> None:
    y, probabilities = random_rows(2000)
    draws = bootstrap_draws([METRICS["log_loss"]], y, probabilities)["log_loss"]
    losses = -np.log(probabilities[np.arange(2000), y])
    half = 1.96 * losses.std() / np.sqrt(2000)
    low, high = bootstrap_interval(draws)
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)


def test_the_same_seed_gives_the_same_draws() -> None:
    y, probabilities = random_rows(100)
    one, other, another = (
        bootstrap_draws([METRICS["auc"]], y, probabilities, 20, seed)["auc"] for seed in (0, 0, 1)
    )
    assert (one == other).all() and not (one == another).any()


def test_draws_that_leave_a_metric_undefined_tell_nothing() -> None:
    assert bootstrap_interval(np.array([np.nan] * 2 + [0.5] * 8)) is None
    low, high = bootstrap_interval(np.array([np.nan, *np.arange(99)]))
    assert (low, high) == pytest.approx((2.45, 95.55))
