"""Curvature pairs against the two loops they stand for."""

import numpy as np
import pytest

from featx.classifiers.heads.linear.solver import curvature_pairs
from featx.classifiers.heads.linear.solver.curvature_pairs import CurvaturePairs
from featx.classifiers.heads.matmul.workers import CallingThread, Workers

SHAPE = (3, 7)


def two_loops(pairs, gradient, precondition):
    """L-BFGS as its textbook writes it (Nocedal & Wright, alg. 7.4)."""
    q = gradient.copy()
    alphas = []
    for move, change in reversed(pairs):
        alphas.append(np.vdot(move, q) / np.vdot(move, change))
        q -= alphas[-1] * change
    move, change = pairs[-1] if pairs else (None, None)
    scale = np.vdot(move, change) / np.vdot(change, precondition(change)) if pairs else 1.0
    q = scale * precondition(q)
    for (move, change), alpha in zip(pairs, reversed(alphas), strict=True):
        q += (alpha - np.vdot(change, q) / np.vdot(move, change)) * move
    return q


@pytest.fixture
def made():
    """Moves, their changes under a positive definite Hessian, and a preconditioner."""
    rng = np.random.default_rng(0)
    size = SHAPE[0] * SHAPE[1]
    root = rng.normal(size=(size, size))
    hessian = root @ root.T / size + np.eye(size)
    diagonal = hessian.diagonal().reshape(SHAPE)
    moves = rng.normal(size=(30, *SHAPE))
    changes = (moves.reshape(30, size) @ hessian).reshape(moves.shape)
    return list(zip(moves, changes, strict=True)), lambda g: g / diagonal


@pytest.fixture(params=["whole", "cut", "cut, in threads"])
def workers(request, monkeypatch):
    """Who multiplies the vectors: whole ones, or their parts."""
    if request.param == "whole":
        yield CallingThread()
        return
    monkeypatch.setattr(curvature_pairs, "PART_LENGTH", 6)
    if request.param == "cut":
        yield CallingThread()
        return
    with Workers(2) as pool:
        yield pool


@pytest.mark.parametrize("n_added", [0, 1, 5, 8, 9, 12, 13, 30])
def test_matrices_do_what_two_loops_do(made, workers, n_added):
    known, precondition = made
    pairs = CurvaturePairs(12, SHAPE, workers)
    for move, change in known[:n_added]:
        pairs.add(move, change)
    assert len(pairs) == min(n_added, 12)
    gradient = np.random.default_rng(1).normal(size=SHAPE)
    expected = two_loops(known[max(0, n_added - 12) : n_added], gradient, precondition)
    np.testing.assert_allclose(pairs.apply(gradient, precondition), expected, rtol=1e-3, atol=1e-4)


def test_the_newest_change_maps_to_its_move(made):
    known, precondition = made
    pairs = CurvaturePairs(5, SHAPE)
    for move, change in known:
        pairs.add(move, change)
    np.testing.assert_allclose(
        pairs.apply(known[-1][1], precondition), known[-1][0], rtol=1e-3, atol=1e-4
    )


def test_pairs_without_curvature_are_left_out_and_cleared_ones_forgotten(made):
    known, precondition = made
    move, change = known[0]
    pairs = CurvaturePairs(5, SHAPE)
    pairs.add(move, -change)
    pairs.add(move, np.zeros_like(change))
    assert len(pairs) == 0
    pairs.add(move, change)
    pairs.clear()
    assert len(pairs) == 0
    np.testing.assert_array_equal(pairs.apply(change, precondition), precondition(change))


def test_threads_change_no_bit(made, monkeypatch):
    known, precondition = made
    monkeypatch.setattr(curvature_pairs, "PART_LENGTH", 6)
    with Workers(2) as pool:
        alone, side_by_side = (CurvaturePairs(5, SHAPE, who) for who in (CallingThread(), pool))
        for pairs in (alone, side_by_side):
            for move, change in known[:7]:
                pairs.add(move, change)
            pairs.rescale(3.0)
        gradient = np.random.default_rng(1).normal(size=SHAPE)
        np.testing.assert_array_equal(
            alone.apply(gradient, precondition), side_by_side.apply(gradient, precondition)
        )


def test_pairs_of_one_C_become_those_of_another(made, workers):
    pairs, precondition = made
    carried, fresh = CurvaturePairs(8, SHAPE, workers), CurvaturePairs(8, SHAPE, workers)
    for step, data_change in pairs[:8]:
        penalty = step.copy()
        penalty[:, -1] = 0
        carried.add(step, data_change + penalty)
        fresh.add(step, 10 * data_change + penalty)
    carried.rescale(10.0)
    gradient = np.random.default_rng(1).normal(size=SHAPE)
    expected = fresh.apply(gradient, precondition)
    np.testing.assert_allclose(
        carried.apply(gradient, precondition), expected, rtol=1e-3, atol=1e-4
    )
