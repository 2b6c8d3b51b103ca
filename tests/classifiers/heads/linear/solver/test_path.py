import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from featx.classifiers.heads.linear.solver import (
    Scaling,
    SolverOptions,
    packed_rows,
    problem,
    solve_path,
)
from featx.classifiers.heads.matmul.bf16_matmul import multiplies_bfloat16

from .conftest import make_data, objective

GRID = [1e-4, 1e-2, 0.1, 1.0]
TIGHT = SolverOptions(tol=1e-9)


def reference(X, y, C, weights=None):
    model = LogisticRegression(C=C, tol=1e-8, max_iter=5000)
    return model.fit(X.astype(np.float64), y, sample_weight=weights)


def hinge_reference(X, sign, C):
    """The squared hinge's optimum with a free intercept, by SciPy."""
    X = X.astype(np.float64)

    def value(theta):
        slack = np.maximum(1 - sign * (X @ theta[:-1] + theta[-1]), 0)
        slope = -2 * C * sign * slack
        penalty = theta.copy()
        penalty[-1] = 0
        gradient = np.append(X.T @ slope, slope.sum()) + penalty
        return C * (slack**2).sum() + 0.5 * theta[:-1] @ theta[:-1], gradient

    options = {"maxiter": 5000, "ftol": 1e-14, "gtol": 1e-8}
    return minimize(value, np.zeros(X.shape[1] + 1), jac=True, method="L-BFGS-B", options=options)


def test_logistic_reaches_the_optimum_of_scikit_learn(data):
    X, y = data
    result = solve_path(X, y, GRID, options=TIGHT)
    assert result.converged.all()
    assert result.coef.shape == (4, 4, 12)
    for i, C in enumerate(GRID):
        peer = reference(X, y, C)
        best = objective(X, y, peer.coef_, peer.intercept_, C)
        mine = objective(X, y, result.coef[i], result.intercept[i], C)
        assert mine <= best * (1 + 1e-5)
        assert result.objective[i] == pytest.approx(mine, rel=1e-5)
        np.testing.assert_allclose(result.coef[i], peer.coef_, atol=5e-3)


def test_binary_logistic_is_one_sigmoid_vector(binary):
    X, y = binary
    result = solve_path(X, y, GRID, options=TIGHT)
    assert result.coef.shape == (4, 1, 12)
    for i, C in enumerate(GRID):
        peer = reference(X, y, C)
        best = objective(X, y, peer.coef_, peer.intercept_, C)
        assert objective(X, y, result.coef[i], result.intercept[i], C) <= best * (1 + 1e-5)
        np.testing.assert_allclose(result.coef[i], peer.coef_, atol=5e-3)


def test_squared_hinge_reaches_each_classes_optimum(data):
    X, y = data
    result = solve_path(X, y, GRID, "squared_hinge", options=TIGHT)
    for i, C in enumerate(GRID):
        best = sum(hinge_reference(X, np.where(y == k, 1, -1), C).fun for k in range(4))
        mine = objective(X, y, result.coef[i], result.intercept[i], C, "squared_hinge")
        assert mine == pytest.approx(best, rel=1e-5)


def test_binary_squared_hinge_is_one_vector(binary):
    X, y = binary
    result = solve_path(X, y, [0.1], "squared_hinge", options=TIGHT)
    best = hinge_reference(X, np.where(y == 1, 1, -1), 0.1)
    assert result.coef.shape == (1, 1, 12)
    np.testing.assert_allclose(result.coef[0, 0], best.x[:-1], atol=5e-3)


def test_grid_keeps_the_callers_order_and_repeats(data):
    X, y = data
    result = solve_path(X, y, [1.0, 1e-3, 1.0])
    np.testing.assert_array_equal(result.C, [1.0, 1e-3, 1.0])
    assert result.objective[1] < result.objective[0]
    np.testing.assert_allclose(result.objective[0], result.objective[2], rtol=1e-5)


def test_few_rows_solve_in_the_row_space():
    X, y = make_data(n=30, d=80, k=3)
    result = solve_path(X, y, [0.1, 1.0], options=TIGHT)
    for i, C in enumerate([0.1, 1.0]):
        peer = reference(X, y, C)
        best = objective(X, y, peer.coef_, peer.intercept_, C)
        assert objective(X, y, result.coef[i], result.intercept[i], C) <= best * (1 + 1e-5)


def test_sample_weights_count_as_repeats(data):
    X, y = data
    weights = np.random.default_rng(0).integers(0, 3, len(X)).astype(float)
    weights[:4] = 1
    weighted = solve_path(X, y, [0.1], sample_weight=weights, options=TIGHT)
    rows = np.repeat(np.arange(len(X)), weights.astype(int))
    repeated = solve_path(X[rows], y[rows], [0.1], options=TIGHT)
    assert weighted.objective[0] == pytest.approx(repeated.objective[0], rel=1e-5)
    peer = reference(X, y, 0.1, weights)
    np.testing.assert_allclose(weighted.coef[0], peer.coef_, atol=5e-3)


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge"])
def test_folds_share_the_batch_and_equal_separate_fits(data, loss):
    X, y = data
    weights = np.ones((3, len(X)), np.float32)
    weights[1, 100:200] = 0
    weights[2, 200:] = 0
    together = solve_path(X, y, [1e-2, 0.1], loss, weights, options=TIGHT)
    assert together.coef.shape == (3, 2, 4, 12)
    for fold in range(3):
        alone = solve_path(X, y, [1e-2, 0.1], loss, weights[fold], options=TIGHT)
        np.testing.assert_allclose(together.objective[fold], alone.objective, rtol=1e-5)


def test_float16_memory_map_is_read_in_blocks(data, tmp_path):
    X, y = data
    half = X.astype(np.float16)
    np.save(tmp_path / "X.npy", half)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    options = SolverOptions(block_rows=7)
    result = solve_path(mapped, y, [0.1], options=options)
    plain = solve_path(half.astype(np.float32), y, [0.1])
    np.testing.assert_allclose(result.objective, plain.objective, rtol=1e-5)


def test_scaling_equals_scaled_copies(data):
    X, y = data
    raw = X * np.linspace(0.5, 4, 12, dtype=np.float32) + 3
    scaling = Scaling(raw.mean(axis=0), raw.std(axis=0))
    folded = solve_path(raw, y, [0.1], scaling=scaling, options=TIGHT)
    copied = solve_path((raw - scaling.center) / scaling.scale, y, [0.1], options=TIGHT)
    np.testing.assert_allclose(folded.coef, copied.coef, atol=2e-3)


def test_same_input_gives_same_bits_whatever_the_threads(data):
    X, y = data
    first = solve_path(X, y, GRID, options=SolverOptions(n_threads=1))
    second = solve_path(X, y, GRID, options=SolverOptions(n_threads=2))
    np.testing.assert_array_equal(first.coef, second.coef)
    np.testing.assert_array_equal(first.n_iter, second.n_iter)


def test_constant_feature_that_is_centred_gets_zero(data):
    X, y = data
    X = np.concatenate([X, np.full((len(X), 1), 5, np.float32)], axis=1)
    result = solve_path(X, y, [1.0], scaling=Scaling(X.mean(axis=0), X.std(axis=0)))
    assert not result.coef[0, :, -1].any()
    plain = solve_path(X, y, [1.0])
    assert abs(plain.coef[0, :, -1]).max() < 1e-3


def test_class_with_one_sample_is_solved(data):
    X, y = data
    y = y.copy()
    y[0] = 4
    result = solve_path(X, y, [0.1], options=TIGHT)
    peer = reference(X, y, 0.1)
    np.testing.assert_allclose(result.coef[0], peer.coef_, atol=5e-3)


def test_running_out_of_iterations_is_told(data):
    X, y = data
    result = solve_path(X, y, GRID, options=SolverOptions(max_iter=2))
    assert not result.converged.all()
    assert result.n_iter.max() == 2


@pytest.mark.skipif(not multiplies_bfloat16(), reason="no fast bfloat16 on this processor")
@pytest.mark.parametrize("loss", ["logistic", "squared_hinge"])
def test_changes_in_bfloat16_reach_the_same_optimum(loss, monkeypatch):
    X, y = make_data(n=3000, d=40)
    weights = np.random.default_rng(0).uniform(0.5, 2, (2, len(X)))
    options = SolverOptions(tol=1e-8)
    exact = solve_path(X, y, GRID, loss, weights, options=options)
    monkeypatch.setattr(packed_rows, "MIN_SIZE", 1)
    monkeypatch.setattr(packed_rows, "MAX_ROWS", 700)
    monkeypatch.setattr(problem, "PACK_FIXED_WORK", 0)
    monkeypatch.setattr(problem, "PACK_WORK", 0)
    found = solve_path(X, y, GRID, loss, weights, options=options)
    assert found.converged.all()
    assert not np.array_equal(found.coef, exact.coef)
    np.testing.assert_allclose(found.objective, exact.objective, rtol=1e-5)
    for fold, weight in enumerate(weights):
        coef, intercept = found.coef[fold, 2], found.intercept[fold, 2]
        mine = objective(X, y, coef, intercept, GRID[2], loss, weight)
        assert mine == pytest.approx(found.objective[fold, 2], rel=1e-5)


def test_each_fold_has_its_own_tolerance(data):
    X, y = data
    weights = np.ones((2, len(X)))
    rough = solve_path(X, y, [1.0], sample_weight=weights, options=SolverOptions(tol=(1e-7, 1e-2)))
    assert rough.n_iter[0, 0] > rough.n_iter[1, 0]
    assert rough.objective[0, 0] < rough.objective[1, 0] < rough.objective[0, 0] * 1.05
    with pytest.raises(ValueError, match="3 numbers for 2 folds"):
        solve_path(X, y, [1.0], sample_weight=weights, options=SolverOptions(tol=(1e-3,) * 3))


@pytest.mark.parametrize("extreme", [1e6, 1e8])
def test_weights_that_float32_cannot_weigh_up_are_told(extreme, data):
    X, y = data
    weights = np.where(y == 0, extreme, 1)
    result = solve_path(X, y, [1.0], sample_weight=weights)
    assert not result.converged.any()
    assert solve_path(X, y, [1.0], sample_weight=1 / weights).converged.all()


def test_one_weight_above_all_others_ends(data):
    X, y = data
    weights = np.where(np.arange(len(X)) == 5, 1e8, 1)
    result = solve_path(X, y, [1.0], "squared_hinge", weights)
    assert np.isfinite(result.coef).all()


@settings(max_examples=15, deadline=None)
@example(seed=486, n=21, d=2, k=4, log_c=0.0)
@given(
    seed=st.integers(0, 1000),
    n=st.integers(10, 60),
    d=st.integers(1, 20),
    k=st.integers(2, 4),
    log_c=st.floats(-4, 1),
)
def test_gap_of_the_objective_is_within_the_tolerance(seed, n, d, k, log_c):
    X, y = make_data(n, d, k, seed)
    result = solve_path(X, y, [10**log_c])
    assert result.converged.all()
    coef, intercept = result.coef[0], result.intercept[0]
    mine = objective(X, y, coef, intercept, 10**log_c)
    peer = reference(X, y, 10**log_c)
    best = objective(X, y, peer.coef_, peer.intercept_, 10**log_c)
    # The gap is estimated: on a few rows it may be larger, by 7 % in the example above.
    assert mine <= best + 2 * SolverOptions().tol * 10**log_c * n


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (np.where(X[3, 2] == X, np.nan, X), y), "row 3, column 2"),
        (lambda X, y: (np.where(X[3, 2] == X, np.inf, X), y), "infinity"),
        (lambda X, y: (X, np.zeros_like(y)), "one class only"),
        (lambda X, y: (X[:, 0], y), "n_samples, n_features"),
        (lambda X, y: (X, y[:-1]), "y must have shape"),
        (lambda X, y: (X.astype(str), y), "real numbers"),
    ],
)
def test_bad_data_is_refused(data, change, message):
    with pytest.raises(ValueError, match=message):
        solve_path(*change(*data), [0.1])


@pytest.mark.parametrize("C", [0, -1, [1, np.nan], [], [np.inf]])
def test_bad_grid_is_refused(data, C):
    with pytest.raises(ValueError, match="C"):
        solve_path(*data, C)


def test_bad_weights_loss_and_options_are_refused(data):
    X, y = data
    with pytest.raises(ValueError, match="no sample with a positive weight"):
        solve_path(X, y, 1.0, sample_weight=(y != 2).astype(float))
    with pytest.raises(ValueError, match="not negative"):
        solve_path(X, y, 1.0, sample_weight=-np.ones(len(X)))
    with pytest.raises(ValueError, match="sample_weight must have shape"):
        solve_path(X, y, 1.0, sample_weight=np.ones(3))
    with pytest.raises(ValueError, match="squared_hinge"):
        solve_path(X, y, 1.0, "hinge")
    with pytest.raises(ValueError, match="tol"):
        SolverOptions(tol=0)
    with pytest.raises(ValueError, match="max_iter"):
        SolverOptions(max_iter=0)
    with pytest.raises(ValueError, match="scale"):
        solve_path(X, y, 1.0, scaling=Scaling(scale=-np.ones(12)))


def divergence(exact, rough):
    return float((exact * np.log(exact / rough)).sum(axis=1).mean())


@pytest.mark.parametrize("scale", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("k", [2, 4, 30])
def test_probabilities_are_settled_within_the_stated_bound(k, scale):
    X, y = make_data(n=900, d=40, k=k)
    X *= np.float32(scale)
    rough = solve_path(X[:600], y[:600], GRID)
    exact = solve_path(X[:600], y[:600], GRID, options=SolverOptions(tol=1e-9))
    assert rough.converged.all()
    for i in range(len(GRID)):
        tables = [np.clip(chances(X, r.coef[i], r.intercept[i]), 1e-300, 1) for r in (exact, rough)]
        assert divergence(tables[0][:600], tables[1][:600]) <= 5e-5
        losses = [-np.log(p[np.arange(600, 900), y[600:]]).mean() for p in tables]
        assert abs(losses[1] - losses[0]) < 5e-3


def chances(X, coef, intercept):
    z = X.astype(np.float64) @ coef.T + intercept
    z = np.concatenate([np.zeros_like(z), z], axis=1) if len(coef) == 1 else z
    return np.exp(z - np.logaddexp.reduce(z, axis=1, keepdims=True))


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge"])
def test_helper_points_of_a_wide_gap_change_nothing_but_the_passes(loss):
    X, y = make_data(k=3)
    alone = solve_path(X, y, [10.0], loss, options=TIGHT)
    path = solve_path(X, y, [1e-3, 0.1, 10.0], loss, options=TIGHT)
    assert alone.n_iter[0] == alone.n_passes
    assert path.n_iter.sum() == path.n_passes
    assert alone.objective[0] == pytest.approx(path.objective[2], rel=1e-5)


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge"])
def test_equal_and_constant_rows_and_columns_in_the_row_space(loss):
    X, y = make_data(n=40, d=60, k=3)
    X = np.concatenate([X, X[:10]])
    X = np.concatenate([X, X[:, :50], np.full((len(X), 1), 2, np.float32)], axis=1)
    y = np.concatenate([y, y[:10]])
    few = solve_path(X, y, [0.1], loss, options=TIGHT)
    repeated = solve_path(np.tile(X, (3, 1)), np.tile(y, 3), [0.1 / 3], loss, options=TIGHT)
    np.testing.assert_allclose(few.coef, repeated.coef, atol=5e-3)
