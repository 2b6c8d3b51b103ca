"""Factors against the eigendecomposition that they stand in for."""

import numpy as np
import pytest

from featx.classifiers.heads.closed_form import cholesky
from featx.classifiers.heads.closed_form.cholesky import Factors, prepared
from featx.classifiers.heads.closed_form.normal_equations import (
    Decomposition,
    NormalEquations,
    decomposed,
)
from featx.classifiers.heads.closed_form.ridge import RidgeHead
from featx.classifiers.heads.joint_fit import fit_many

ALPHAS = (1.0, 100.0)


@pytest.fixture
def rows() -> np.ndarray:
    generator = np.random.default_rng(0)
    mix = np.eye(20) + 0.5 * generator.standard_normal((20, 20))
    return generator.standard_normal((200, 20)) @ mix


@pytest.fixture
def equations(rows: np.ndarray) -> NormalEquations:
    cross = rows.T @ np.random.default_rng(1).standard_normal((200, 3))
    return NormalEquations(rows.T @ rows, cross, np.zeros(20), np.zeros(3), 200.0)


def test_coefficients_and_hat_matrices_are_those_of_the_decomposition(
    rows: np.ndarray, equations: NormalEquations
) -> None:
    factors, whole = Factors(equations), decomposed(equations)
    pairs = zip(factors.halves(rows, ALPHAS), whole.halves(rows, ALPHAS), strict=True)
    for alpha, (half, other) in zip(ALPHAS, pairs, strict=True):
        penalised = equations.gram + alpha * np.eye(20)
        exact = np.linalg.solve(penalised, equations.cross)
        np.testing.assert_allclose(factors.solve(alpha), exact, rtol=1e-8)
        np.testing.assert_allclose(whole.solve(alpha), exact, rtol=1e-8)
        hat = rows @ np.linalg.solve(penalised, rows.T)
        np.testing.assert_allclose(half @ half.T, hat, atol=1e-10)
        np.testing.assert_allclose(other @ other.T, hat, atol=1e-10)


def test_wide_equations_are_factorised(
    equations: NormalEquations, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(prepared(equations, ALPHAS), Decomposition)
    monkeypatch.setattr(cholesky, "WIDE", 20)
    assert isinstance(prepared(equations, ALPHAS), Factors)


def test_a_penalty_lost_in_rounding_is_decomposed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cholesky, "WIDE", 2)
    equal = NormalEquations(np.ones((3, 3)), np.ones((3, 1)), np.zeros(3), np.zeros(1), 3.0)
    assert isinstance(prepared(equal, (1e-30, 1.0)), Decomposition)


def test_heads_are_the_same_either_way(rows: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    y = np.random.default_rng(2).integers(0, 3, 200)
    fits = {}
    for wide in (1, 1000):
        monkeypatch.setattr(cholesky, "WIDE", wide)
        fits[wide] = fit_many([RidgeHead(alpha) for alpha in ALPHAS], rows, y)
    for factorised, whole in zip(*fits.values(), strict=True):
        np.testing.assert_allclose(factorised.coef_, whole.coef_, rtol=1e-6, atol=1e-9)
        assert factorised.temperature_ == pytest.approx(whole.temperature_, rel=1e-4)
