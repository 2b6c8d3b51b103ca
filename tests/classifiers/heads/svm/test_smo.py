"""The compiled SMO steps against the same steps in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from featx.classifiers.heads.svm import smo

if not smo.IS_COMPILED:
    pytest.skip("no compiler was there at installation", allow_module_level=True)

NEVER_STOP = bytearray(1)


def largest(values, n_first):
    """The first block of 256 that holds the largest value, and of it the last such value."""
    parts = [np.arange(n_first), np.arange(n_first, len(values))]
    blocks = [part[i : i + 256] for part in parts for i in range(0, len(part), 256)]
    best = max(blocks, key=lambda block: values[block].max())
    return int(best[values[best] == values[best].max()][-1])


def reference(kernel, signs, bound, tol, max_iter):
    """Fan, Chen & Lin 2005, algorithm 2, without shrinking; one step at a time."""
    alpha, F = np.zeros(len(signs)), signs.astype(np.float64)
    for n_iter in range(max_iter + 1):
        grows, shrinks = alpha < bound, alpha > 0
        may_rise = np.where(signs > 0, grows, shrinks)
        may_fall = np.where(signs > 0, shrinks, grows)
        n_first = int((signs > 0).sum())
        i = largest(np.where(may_rise, F, -np.inf), n_first)
        ahead = np.where(may_fall, F[i] - F, 0).clip(0).astype(np.float32)
        j = largest(ahead**2 / np.maximum(2 - 2 * kernel[i], np.float32(1e-12)), n_first)
        least = F[may_fall].min()
        if F[i] - least < tol or n_iter == max_iter:
            return n_iter, F[i] - least < tol, alpha, F
        step = (F[i] - F[j]) / max(2 - 2 * kernel[i, j], 1e-12)
        room_i = bound[i] - alpha[i] if signs[i] > 0 else alpha[i]
        room_j = alpha[j] if signs[j] > 0 else bound[j] - alpha[j]
        step = min(step, room_i, room_j)
        alpha[i] += signs[i] * step
        alpha[j] -= signs[j] * step
        alpha = np.where(np.abs(alpha - bound) < 1e-12, bound, np.where(alpha < 1e-12, 0, alpha))
        F -= step * (kernel[i].astype(np.float64) - kernel[j])
    raise AssertionError


def problem(n_a, n_b, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_a + n_b, 5)) + 0.5 * (np.arange(n_a + n_b) < n_a)[:, None]
    kernel = np.exp(-0.2 * np.square(X[:, None] - X).sum(axis=2)).astype(np.float32)
    signs = np.where(np.arange(n_a + n_b) < n_a, 1, -1)
    bound = rng.uniform(0.5, 3, n_a + n_b)
    bound[:: n_a // 3] = 0
    return kernel, signs, bound


def solve(kernel, sizes, bound, tol, max_iter, stop=NEVER_STOP):
    n_a = sizes[0]
    parts = (kernel[:n_a, :n_a], kernel[:n_a, n_a:], kernel[n_a:, :n_a], kernel[n_a:, n_a:])
    alpha = np.empty(len(bound))
    blocks = tuple(np.ascontiguousarray(part) for part in parts)
    return (*smo._smo.solve(blocks, sizes, bound, alpha, tol, max_iter, stop), alpha)


@pytest.mark.parametrize("sizes", [(40, 30), (7, 300), (260, 257)])
@pytest.mark.parametrize("max_iter", [5, 10_000])
def test_compiled_steps_are_those_of_the_reference(sizes, max_iter):
    kernel, signs, bound = problem(*sizes)
    n_iter, converged, alpha, F = reference(kernel, signs, bound, 1e-3, max_iter)
    steps, is_converged, intercept, ours = solve(kernel, sizes, bound, 1e-3, max_iter)
    assert is_converged == converged
    assert abs(steps - n_iter) <= 0.02 * n_iter
    np.testing.assert_allclose(ours, alpha, atol=1e-2)
    if converged:
        free = (alpha > 0) & (alpha < bound)
        assert intercept == pytest.approx(F[free].mean(), abs=1e-3)
    assert ours @ signs == pytest.approx(0, abs=1e-9)
    assert (ours >= 0).all() and (ours <= bound).all()


def test_a_flag_that_is_set_ends_the_steps():
    kernel, _, bound = problem(40, 30)
    with pytest.raises(RuntimeError, match="stopped"):
        solve(kernel, (40, 30), bound, 1e-300, 10**15, bytearray(b"\x01"))


def test_buffers_that_do_not_fit_are_refused():
    kernel, _, bound = problem(3, 2)
    for sizes, limits, steps in [((3, 1), bound, 9), ((3, 2), bound[:4], 9), ((3, 2), bound, -1)]:
        with pytest.raises(ValueError, match="do not fit"):
            solve(kernel, sizes, limits, 1e-3, steps)
