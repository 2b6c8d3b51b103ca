"""Power laws through learning curves, and when they say nothing."""

from __future__ import annotations

import numpy as np
import pytest

from featx.classifiers.comparison.curves.power_law import PowerLaw, fit_power_law, forecast

SIZES = [10, 20, 40, 80, 160, 320, 640]


def draws_of(law: PowerLaw, noise: float) -> list[list[float]]:
    rng = np.random.default_rng(0)
    return [[law.error(n) + rng.normal() * noise for _ in range(5)] for n in SIZES]


def test_a_law_is_found_again() -> None:
    law = PowerLaw(1.5, 0.5, 0.05)
    errors = np.array([law.error(n) for n in SIZES])
    fitted = fit_power_law(np.array(SIZES, float), errors, np.full(7, 0.001))
    assert fitted.exponent == pytest.approx(0.5, abs=0.01)
    assert fitted.floor == pytest.approx(0.05, abs=0.003)
    assert fitted.n_images(law.error(1000)) == pytest.approx(1000, rel=0.05)


def test_the_forecast_covers_the_truth() -> None:
    law = PowerLaw(1.5, 0.5, 0.05)
    ahead = forecast(SIZES, draws_of(law, 0.002), 0.01)
    gain = law.error(640) - law.error(1280)
    assert ahead.gain_interval[0] <= gain <= ahead.gain_interval[1]
    truth = law.n_images(law.error(640) - 0.01)
    assert ahead.n_images_interval[0] <= truth <= ahead.n_images_interval[1]


def test_a_flat_curve_does_not_say_when_it_falls() -> None:
    ahead = forecast(SIZES, draws_of(PowerLaw(2.0, 1.0, 0.2), 0.02), 0.01)
    assert ahead.n_images is None and ahead.n_images_interval is None
    assert PowerLaw(1.0, 0.5, 0.2).n_images(0.2) == float("inf")
    assert PowerLaw(1.0, 1e-4, 0.2).n_images(0.3) == float("inf")


def test_three_sizes_say_nothing() -> None:
    assert forecast(SIZES[:3], draws_of(PowerLaw(1, 1, 0), 0.1)[:3], 0.01) is None
