"""The curvature cache: which second derivatives serve which grid points and folds."""

import numpy as np
import pytest

from featx.classifiers.heads.linear.solver import SolverOptions, problem, solve_path
from featx.classifiers.heads.linear.solver.hessian_blocks import Curvature
from featx.classifiers.heads.linear.solver.problem import similar_folds
from featx.classifiers.heads.linear.solver.schedule import CurvatureCache


def curvature(fold=0):
    return Curvature(fold, np.eye(1), ())


def test_the_nearest_from_below_serves_up_to_the_ratio():
    cache = CurvatureCache(reuse_ratio=9.0)
    first, second = curvature(), curvature()
    cache.add((0, 1), 1.0, first)
    cache.add((0, 1), 3.0, second)
    assert cache.find((0, 1), 0.5) is None
    assert cache.find((0, 1), 1.0) is first
    assert cache.find((0, 1), 2.9) is first
    assert cache.find((0, 1), 27.0) is second
    assert cache.find((0, 1), 27.1) is None
    assert cache.find((0, 2), 1.0) is None
    assert cache.find((1, 1), 1.0) is None


def test_folds_of_a_split_are_similar_and_disjoint_halves_are_not():
    n = 1000
    rows = np.arange(n)
    folds = np.stack([rows % 5 != k for k in range(5)]).astype(np.float32)
    assert similar_folds(folds).tolist() == [0] * 5
    halves = np.stack([rows < n // 2, rows >= n // 2, rows < n // 2 - 50]).astype(np.float32)
    assert similar_folds(halves).tolist() == [0, 1, 0]


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge"])
def test_folds_that_share_second_derivatives_reach_their_own_optima(loss, monkeypatch):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 600)
    X = rng.normal(size=(600, 20)) + 0.7 * np.eye(20)[y]
    weights = np.stack([np.arange(600) % 5 != k for k in range(5)]).astype(float) * 7
    taken = []
    ours = problem.Problem._curvatures
    monkeypatch.setattr(
        problem.Problem,
        "_curvatures",
        lambda self, subproblems, thetas: (
            taken.extend(subproblems) or ours(self, subproblems, thetas)
        ),
    )
    options = SolverOptions(tol=1e-8)
    shared = solve_path(X, y, [0.1, 1.0, 50.0], loss, weights, options=options)
    n_shared = len(taken)
    monkeypatch.setattr(problem, "LEAST_FOLD_COSINE", 2.0)
    alone = solve_path(X, y, [0.1, 1.0, 50.0], loss, weights, options=options)
    assert shared.converged.all()
    assert 0 < n_shared <= (len(taken) - n_shared) / 4
    np.testing.assert_allclose(shared.objective, alone.objective, rtol=1e-6)
    assert not np.allclose(shared.objective[0], shared.objective[1], rtol=1e-6)
