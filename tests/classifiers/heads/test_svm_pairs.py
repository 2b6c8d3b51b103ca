"""The SVM's compiled steps and bfloat16 products against libsvm and float64."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from featx.classifiers.heads import bf16_matmul as products
from featx.classifiers.heads.bf16_matmul import FastProduct, nearest_bfloat16
from featx.classifiers.heads.joint_fit import fit_many, predict_many
from featx.classifiers.heads.linear.solver.fast_products import multiplies_bfloat16
from featx.classifiers.heads.svm import one_vs_one as machine
from featx.classifiers.heads.svm import svm, svm_pairs, svm_solve
from featx.classifiers.heads.svm.svm import RBFSVMHead

compiled = pytest.mark.skipif(not svm_pairs.IS_COMPILED, reason="the compiled part is missing")
bfloat16 = pytest.mark.skipif(not multiplies_bfloat16(), reason="no faster bfloat16 here")
GRID = [(0.5, "scale"), (20.0, "scale"), (3.0, 0.003)]


def fit_grid(digits, **options):
    weight = np.random.default_rng(0).integers(0, 3, len(digits.y))
    heads = [RBFSVMHead(C, gamma, **options) for C, gamma in GRID]
    return fit_many(heads, digits.X, digits.y, weight)


@compiled
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_compiled_steps_reach_the_optimum_of_libsvm(digits, monkeypatch, dtype):
    monkeypatch.setattr(svm_solve, "WHOLE_BYTES", 0)
    digits = replace(digits, X=digits.X.astype(dtype))
    ours = fit_grid(digits, tol=1e-5)
    monkeypatch.setattr(svm_solve, "IS_COMPILED", False)
    theirs = fit_grid(digits, tol=1e-5)
    for mine, peer in zip(ours, theirs, strict=True):
        assert mine.converged_
        assert mine.n_iter_ > 0
        np.testing.assert_array_equal(mine.n_support_, peer.n_support_)
        np.testing.assert_allclose(mine.dual_coef_, peer.dual_coef_, atol=2e-3)
        np.testing.assert_allclose(mine.intercept_, peer.intercept_, atol=1e-4)
        assert mine.temperature_ == pytest.approx(peer.temperature_, rel=1e-3)


@compiled
def test_too_few_steps_are_reported(digits, monkeypatch):
    monkeypatch.setattr(svm_solve, "WHOLE_BYTES", 0)
    head = RBFSVMHead(10.0, max_iter=5).fit(digits.X, digits.y)
    assert (head.n_iter_, head.converged_) == (5, False)


@compiled
@pytest.mark.parametrize(("size", "expected"), [(1.0, True), (1e18, True), (1e20, False)])
def test_features_beyond_float32_are_left_to_libsvm(digits, monkeypatch, size, expected):
    monkeypatch.setattr(svm_solve, "WHOLE_BYTES", 0)
    used = []
    trainer = svm_solve.PairTrainer
    monkeypatch.setattr(svm_solve, "PairTrainer", lambda *args: used.append(True) or trainer(*args))
    X = digits.X[:60].astype(np.float64)
    X[0, 0] = size
    RBFSVMHead(standardize=False).fit(X, digits.y[:60])
    assert bool(used) == expected


@compiled
def test_the_compiled_part_checks_its_buffers():
    from featx.classifiers.heads.svm import _smo

    own, cross = np.ones((2, 2), np.float32), np.zeros((2, 3), np.float32)
    blocks = (own, cross, np.ascontiguousarray(cross.T), np.ones((3, 3), np.float32))
    bound, alpha = np.ones(5), np.empty(5)
    assert _smo.solve(blocks, (2, 3), bound, alpha, 1e-3, -2)[0] > 0
    assert alpha.max() <= 1
    for sizes, limits in [((2, 2), bound), ((0, 5), bound), ((2, 3), bound[:4])]:
        with pytest.raises(ValueError, match="do not fit"):
            _smo.solve(blocks, sizes, limits, alpha, 1e-3, -2)
    with pytest.raises(ValueError, match="do not fit"):
        _smo.transpose(cross, np.empty(5, np.float32), (2, 3))


def test_nearest_bfloat16_rounds_to_even():
    exact = np.array([1, 1 + 2**-8, 1 + 3 * 2**-8, -3.0e38, 0], np.float32)
    expected = np.array([1, 1, 1 + 2**-6, -3.0e38, 0], np.float32)
    np.testing.assert_allclose(nearest_bfloat16(exact), expected, rtol=2**-9)
    assert nearest_bfloat16(exact)[1] == 1
    assert not (nearest_bfloat16(exact).view(np.uint32) & 0xFFFF).any()


@bfloat16
@pytest.mark.parametrize(("is_split", "error"), [(False, 2**-8), (True, 2**-16)])
def test_products_keep_to_their_error(is_split, error):
    rng = np.random.default_rng(0)
    left = rng.standard_normal((700, 96), np.float32)
    right = rng.standard_normal((50, 96), np.float32)
    found = FastProduct(right, is_split).into(left, np.empty((700, 50), np.float32))
    bound = np.abs(left).astype(np.float64) @ np.abs(right).T
    assert (np.abs(found - left.astype(np.float64) @ right.T) <= error * bound).all()


@compiled
@bfloat16
def test_large_training_sets_give_the_same_machines(digits, monkeypatch):
    monkeypatch.setattr(svm_solve, "WHOLE_BYTES", 0)
    small = fit_grid(digits, tol=1e-5)
    monkeypatch.setattr(products, "LARGE", 0)
    large = fit_grid(digits, tol=1e-5)
    for one, other in zip(small, large, strict=True):
        np.testing.assert_allclose(one.dual_coef_.sum(1), other.dual_coef_.sum(1), atol=0.02)
        assert one.temperature_ == pytest.approx(other.temperature_, rel=0.01)
        difference = one.decision_function(digits.X_test) - other.decision_function(digits.X_test)
        assert np.abs(difference).max() < 2e-3


def test_heads_of_one_kernel_predict_as_alone(digits, monkeypatch):
    heads = fit_many([RBFSVMHead(1.0), RBFSVMHead(50.0), RBFSVMHead(2.0)], digits.X, digits.y)
    alone = [head.predict_proba(digits.X_test) for head in heads]
    calls = []
    kernel = machine.Machine.kernel
    monkeypatch.setattr(svm, "is_large", lambda n_rows, right: True)
    monkeypatch.setattr(
        machine.Machine, "kernel", lambda own, *args: calls.append(own) or kernel(own, *args)
    )
    for found, expected in zip(predict_many(heads, digits.X_test), alone, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert len(calls) == 1


def test_support_vectors_of_a_head_are_its_own(digits):
    for head in fit_many([RBFSVMHead(1.0), RBFSVMHead(50.0)], digits.X, digits.y):
        assert head.dual_coef_.any(axis=0).all()
        assert len(head.support_vectors_) == head.n_support_.sum()
