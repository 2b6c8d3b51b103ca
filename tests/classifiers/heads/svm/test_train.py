"""The SVM's compiled steps and bfloat16 products against libsvm and float64."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from featx.classifiers.heads.joint_fit import fit_many, predict_many
from featx.classifiers.heads.matmul import bf16_matmul
from featx.classifiers.heads.matmul.bf16_matmul import multiplies_bfloat16
from featx.classifiers.heads.svm import one_vs_one, rbf_svm, smo, train
from featx.classifiers.heads.svm.rbf_svm import RBFSVMHead
from tests_shared import interrupted

compiled = pytest.mark.skipif(not smo.IS_COMPILED, reason="the compiled part is missing")
bfloat16 = pytest.mark.skipif(not multiplies_bfloat16(), reason="no faster bfloat16 here")
GRID = [(0.5, "scale"), (20.0, "scale"), (3.0, 0.003)]


def fit_grid(digits, **options):
    weight = np.random.default_rng(0).integers(0, 3, len(digits.y))
    heads = [RBFSVMHead(C, gamma, **options) for C, gamma in GRID]
    return fit_many(heads, digits.X, digits.y, weight)


@compiled
@pytest.mark.parametrize(
    ("dtype", "block"), [(np.float32, 1 << 20), (np.float64, 1 << 20), (np.float32, 100_000)]
)
def test_compiled_steps_reach_the_optimum_of_libsvm(digits, monkeypatch, dtype, block):
    monkeypatch.setattr(train, "WHOLE_BYTES", 0)
    monkeypatch.setattr(smo, "BLOCK_SIZE", block)
    digits = replace(digits, X=digits.X.astype(dtype))
    ours = fit_grid(digits, tol=1e-5)
    monkeypatch.setattr(train, "IS_COMPILED", False)
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
    monkeypatch.setattr(train, "WHOLE_BYTES", 0)
    head = RBFSVMHead(10.0, max_iter=5).fit(digits.X, digits.y)
    assert (head.n_iter_, head.converged_) == (5, False)


@compiled
@pytest.mark.parametrize(("size", "expected"), [(1.0, True), (1e18, True), (1e20, False)])
def test_features_beyond_float32_are_left_to_libsvm(digits, monkeypatch, size, expected):
    monkeypatch.setattr(train, "WHOLE_BYTES", 0)
    used = []
    trainer = train.SmoTrainer
    monkeypatch.setattr(train, "SmoTrainer", lambda *args: used.append(True) or trainer(*args))
    X = digits.X[:60].astype(np.float64)
    X[0, 0] = size
    RBFSVMHead(standardize=False).fit(X, digits.y[:60])
    assert bool(used) == expected


@compiled
@bfloat16
def test_large_training_sets_give_the_same_machines(digits, monkeypatch):
    monkeypatch.setattr(train, "WHOLE_BYTES", 0)
    small = fit_grid(digits, tol=1e-5)
    monkeypatch.setattr(bf16_matmul, "LARGE", 0)
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
    kernel = one_vs_one.OneVsOneModel.kernel
    monkeypatch.setattr(rbf_svm, "is_large", lambda n_rows, right: True)
    monkeypatch.setattr(
        one_vs_one.OneVsOneModel,
        "kernel",
        lambda *args: calls.append(1) or kernel(*args),
    )
    for found, expected in zip(predict_many(heads, digits.X_test), alone, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert len(calls) == 1


def test_support_vectors_of_a_head_are_its_own(digits):
    for head in fit_many([RBFSVMHead(1.0), RBFSVMHead(50.0)], digits.X, digits.y):
        assert head.dual_coef_.any(axis=0).all()
        assert len(head.support_vectors_) == head.n_support_.sum()


@compiled
def test_an_exception_in_a_thread_ends_the_others(digits, monkeypatch):
    monkeypatch.setattr(train, "WHOLE_BYTES", 0)
    monkeypatch.setattr(train, "n_usable_cores", lambda: 4)
    rbf = smo.rbf
    calls = iter(range(10_000))

    def failing(distances, *args):
        if next(calls) > 11:
            raise MemoryError("no memory for a kernel")
        return rbf(distances, *args)

    monkeypatch.setattr(smo, "rbf", failing)
    with pytest.raises(MemoryError, match="no memory for a kernel"):
        RBFSVMHead(tol=1e-300, max_iter=10**9).fit(digits.X, digits.y)


@compiled
def test_ctrl_c_ends_training_that_would_go_on():
    code = (
        "import numpy as np\n"
        "from featx.classifiers.heads.svm import train\n"
        "from featx.classifiers.heads.svm.rbf_svm import RBFSVMHead\n"
        "train.WHOLE_BYTES = 0\n"
        "rng = np.random.default_rng(0)\n"
        "X, y = rng.normal(size=(900, 8)).astype(np.float32), rng.integers(0, 3, 900)\n"
        "print('ready', flush=True)\n"
        "RBFSVMHead(1e6, tol=1e-300, max_iter=10**15).fit(X, y)\n"
    )
    assert "KeyboardInterrupt" in interrupted(code)
