"""Drift: what is measured, and what the contract allows."""

from __future__ import annotations

import numpy as np
import pytest

from featx.extractor.precision.drift import Drift, measure


def test_measure_takes_the_worst_layer():
    exact = np.eye(4)
    turned = exact.copy()
    turned[0] = [0.8, 0.6, 0, 0]
    drift = measure("bfloat16", [exact, turned], [exact, exact])
    assert drift == Drift("bfloat16", 1.0, pytest.approx(0.8), 4)


def test_rows_of_zeros_are_equal_and_rows_that_overflowed_are_not():
    zeros = np.zeros((2, 3))
    assert measure("float16", [zeros], [zeros]).worst == 1
    infinite = np.full((2, 3), np.inf)
    assert measure("float16", [infinite], [np.ones((2, 3))]).worst == -1


@pytest.mark.parametrize(
    ("median", "worst", "limit", "holds"),
    [
        (0.9995, 0.995, 0.001, True),
        (0.9985, 0.998, 0.001, False),
        (0.9999, 0.985, 0.001, False),
        (0.9995, 0.998, 0.0001, False),
        (0.99995, 0.9985, 0.0001, False),
        (1.0, 1.0, 0.0, True),
    ],
)
def test_contract(median, worst, limit, holds):
    assert Drift("bfloat16", median, worst, 16).within(limit) is holds


def test_drift_survives_its_record():
    drift = Drift("bfloat16", 0.9995, 0.995, 16)
    assert Drift.from_dict(drift.to_dict()) == drift
    assert Drift.from_dict(None) is None and Drift.from_dict({"x": 1}) is None
    assert "0.99950" in drift.describe()
