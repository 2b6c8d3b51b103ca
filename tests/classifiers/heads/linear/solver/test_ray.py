import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from featx.classifiers.heads.linear.solver import SolverOptions, Targets, solve_path
from featx.classifiers.heads.linear.solver.losses import Sigmoid, Softmax
from featx.classifiers.heads.linear.solver.ray import FARTHEST, Rays

from .conftest import make_data, objective


def separable(k, n=2000, d=60):
    generator = np.random.default_rng(3)
    y = np.concatenate([np.arange(k), generator.integers(0, k, n - k)])
    centres = generator.standard_normal((k, d))
    return (centres[y] + generator.standard_normal((n, d))).astype(np.float32), y


def rays_of(X, y, weights=None):
    loss = Sigmoid if y.max() == 1 else Softmax
    return Rays(X, loss(Targets(y, weights, int(y.max()) + 1)))


@pytest.mark.parametrize("k", [2, 5])
def test_factor_and_gain_are_those_of_the_least_objective(k):
    X, y = separable(k)
    fit = solve_path(X, y, 1e-3)
    theta = np.concatenate([fit.coef[0], fit.intercept[0][:, None]], axis=1)

    def along(factor):
        return objective(X, y, factor * fit.coef[0], factor * fit.intercept[0], 1.0)

    value = (fit.objective[0] - 0.5 * (fit.coef[0] ** 2).sum()) / 1e-3
    factor, gain = rays_of(X, y).longest(theta, value, 1.0, 0)
    best = minimize_scalar(along, bounds=(1, FARTHEST), method="bounded")
    assert factor == pytest.approx(best.x, rel=2e-2)
    assert factor > 1.5
    assert gain == pytest.approx(along(1.0) - best.fun, rel=1e-2)


def test_each_fold_counts_its_own_weights():
    X, y = separable(3)
    weights = np.ones((2, len(X)), np.float32)
    weights[1, 1000:] = 0
    fit = solve_path(X, y, 1e-3)
    theta = np.concatenate([fit.coef[0], fit.intercept[0][:, None]], axis=1)
    both = rays_of(X, y, weights)
    for fold, part in enumerate([slice(None), slice(1000)]):
        alone = rays_of(X[part], y[part]).longest(theta, 30.0, 1.0, 0)
        assert both.longest(theta, 30.0, 1.0, fold) == pytest.approx(alone, rel=1e-3)


def test_a_solution_stays_for_its_own_c_and_zero_for_any():
    X, y = make_data(k=3)
    fit = solve_path(X, y, 0.1, options=SolverOptions(tol=1e-9))
    theta = np.concatenate([fit.coef[0], fit.intercept[0][:, None]], axis=1)
    value = (fit.objective[0] - 0.5 * (fit.coef[0] ** 2).sum()) / 0.1
    factor, gain = rays_of(X, y).longest(theta, value, 0.1, 0)
    assert factor == pytest.approx(1, abs=2e-2)
    assert gain < 1e-3 * fit.objective[0]
    assert rays_of(X, y).longest(0 * theta, 300.0, 0.1, 0) == (1.0, 0.0)


def test_a_ray_without_end_stops_at_the_farthest():
    X, y = separable(2)
    theta = np.append(X[y == 1].mean(axis=0) - X[y == 0].mean(axis=0), 0)[None] * 1e-4
    assert rays_of(X, y).longest(theta, 1386.0, 1e9, 0)[0] == FARTHEST


@pytest.mark.parametrize(("k", "most"), [(2, 11), (5, 13)])
def test_separable_classes_take_few_passes_to_a_tight_solution(k, most):
    X, y = separable(k)
    rough = solve_path(X, y, 1.0)
    exact = solve_path(X, y, 1.0, options=SolverOptions(tol=1e-9))
    assert rough.converged.all()
    assert rough.n_passes <= most
    assert rough.objective[0] <= exact.objective[0] + 2 * SolverOptions().tol * len(X)
    assert exact.objective[0] <= rough.objective[0]
