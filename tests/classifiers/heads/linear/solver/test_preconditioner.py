"""The leading directions of the features against a dense inverse."""

import numpy as np
import pytest

from featx.classifiers.heads.linear.solver import preconditioner
from featx.classifiers.heads.linear.solver.preconditioner import LeadingSpectrum
from featx.classifiers.heads.matmul.workers import CallingThread, Workers

N_OUTPUTS, N_FEATURES, RANK = 7, 12, 12


@pytest.fixture
def sample():
    rng = np.random.default_rng(0)
    scale = np.geomspace(3, 0.1, N_FEATURES)
    return (rng.normal(size=(60, N_FEATURES)) * scale + 1).astype(np.float32)


def test_all_directions_make_the_exact_inverse_however_rows_are_cut(sample, monkeypatch):
    rng = np.random.default_rng(1)
    gradient = rng.normal(size=(N_OUTPUTS, N_FEATURES + 1))
    strengths = np.geomspace(0.1, 50, N_OUTPUTS)
    with Workers(2) as pool:
        spectrum = LeadingSpectrum.of(sample, RANK, 0, pool)
        whole = spectrum.solve(gradient, strengths, CallingThread())
        monkeypatch.setattr(preconditioner, "PART_SIZE", 16)
        cut = spectrum.solve(gradient, strengths, CallingThread())
        np.testing.assert_array_equal(spectrum.solve(gradient, strengths, pool), cut)
    np.testing.assert_allclose(cut, whole, rtol=1e-5, atol=1e-6)
    ones = np.concatenate([sample, np.ones((len(sample), 1))], axis=1).astype(np.float64)
    for i, strength in enumerate(strengths):
        hessian = strength * ones.T @ ones / len(ones)
        hessian[np.diag_indices(N_FEATURES)] += 1  # the intercept is not penalised
        np.testing.assert_allclose(
            whole[i], np.linalg.solve(hessian, gradient[i]), rtol=1e-3, atol=1e-4
        )
