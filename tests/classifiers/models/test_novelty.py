"""What tells rows that are unlike the training rows."""

from __future__ import annotations

import numpy as np
import pytest

from featx.classifiers.models.novelty import Novelty


def rows(n: int, seed: int, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    axes = np.random.default_rng(9).normal(size=(6, 40))
    return (rng.normal(size=(n, 6)) @ axes + 0.1 * rng.normal(size=(n, 40)) + shift).astype("f4")


@pytest.fixture
def novelty() -> Novelty:
    fitted = Novelty.fit(rows(600, 0), np.arange(400), np.arange(400, 600))
    assert fitted is not None
    return fitted


def test_few_rows_of_the_same_kind_are_flagged_and_other_kinds_are(novelty: Novelty) -> None:
    assert novelty.flag(rows(2000, 1), 0.05).mean() < 0.08
    noise = np.random.default_rng(3).normal(size=(50, 40)).astype("f4") * 3
    assert novelty.flag(noise, 0.05).all()


def test_a_rate_below_what_the_calibration_can_vouch_for_is_its_least(novelty: Novelty) -> None:
    assert novelty.least_rate == 1 / 201
    far = np.random.default_rng(3).normal(size=(5, 40)).astype("f4") * 3
    assert novelty.flag(far, 0.0001).all()


def test_it_is_small_and_comes_back_from_its_arrays(novelty: Novelty) -> None:
    again = Novelty.from_arrays(novelty.to_arrays())
    assert again is not None
    assert (again.measure(rows(20, 2)) == novelty.measure(rows(20, 2))).all()
    wide = Novelty.fit(
        np.random.default_rng(0).normal(size=(2500, 1280)), np.arange(2400), np.arange(0)
    )
    assert wide is not None
    assert sum(array.nbytes for array in wide.to_arrays().values()) < 170_000
    assert Novelty.from_arrays({}) is None
    with pytest.raises(ValueError, match="other shapes"):
        Novelty.from_arrays({**novelty.to_arrays(), "novelty_lengths": np.zeros(3, "f4")})


@pytest.mark.parametrize(("n_train", "n_held"), [(2, 0), (3, 0), (8, 1), (40, 0)])
def test_small_sources(n_train: int, n_held: int) -> None:
    X = rows(60, 0)
    fitted = Novelty.fit(X, np.arange(n_train), np.arange(n_train, n_train + n_held))
    assert (fitted is None) == (n_train < 4)
    if fitted is not None:
        assert fitted.flag(X, 0.5).shape == (60,)
