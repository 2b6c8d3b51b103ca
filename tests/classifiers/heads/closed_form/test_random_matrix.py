"""Random matrices come back from their seed and shape."""

from __future__ import annotations

import hashlib

import numpy as np

from featx.classifiers.heads.closed_form.random_matrix import RandomMatrix


def test_the_numbers_are_those_of_every_machine_and_version() -> None:
    matrix = RandomMatrix(5, 100, 12_000).array  # more than one block of numbers
    digest = hashlib.sha256(matrix.astype("<f4").tobytes()).hexdigest()
    assert digest == "265b8313895802fd053326d334b54d88ef94353fce2cec43bde2d81889e44217"


def test_the_numbers_are_nearly_normal() -> None:
    matrix = RandomMatrix(0, 64, 1000).array * 8
    assert abs(matrix.mean()) < 0.02 and abs(matrix.std() - 1) < 0.02
    assert abs((np.abs(matrix) < 1).mean() - 0.683) < 0.03
    correlations = np.corrcoef(matrix)[np.triu_indices(64, 1)]
    assert np.abs(correlations).max() < 0.15
