"""Mixtures of samples: their loss, their parts, and their seed."""

from __future__ import annotations

import numpy as np
import pytest

from featx.classifiers.tuning.samples import class_shares, mix

N = 40
RNG = np.random.default_rng(1)
MAPS = RNG.normal(size=(N, 2, 3, 4)).astype(np.float32)
LOGITS = RNG.normal(size=(N, 5))


def cross_entropies(n_logits: int) -> np.ndarray:
    """Return the loss of each sample for each class, shape (n, n_classes)."""
    logits = LOGITS[:, :n_logits]
    logits = np.hstack([np.zeros((N, 1)), logits]) if n_logits == 1 else logits
    return np.log(np.exp(logits).sum(1, keepdims=True)) - logits


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("n_logits", [1, 5])
def test_the_loss_of_mixtures_is_of_both_samples_each_by_its_part(
    n_logits: int, is_weighted: bool
) -> None:
    y = np.arange(N) % max(n_logits, 2)
    weight = RNG.uniform(0, 2, N).astype(np.float32) if is_weighted else None
    maps, shares, counts = mix(
        MAPS, class_shares(y, n_logits), weight, 0.5, np.random.default_rng(3)
    )
    rng = np.random.default_rng(3)
    other, part = rng.permutation(N), rng.beta(0.5, 0.5, N)
    part = np.maximum(part, 1 - part)
    assert (part > 0.5).all() and (counts is None) is not is_weighted
    wide = part[:, None, None, None]
    assert maps == pytest.approx(wide * MAPS + (1 - wide) * MAPS[other], abs=1e-6)
    losses, rows = cross_entropies(n_logits), np.arange(N)
    each = np.ones(N) if weight is None else weight
    expected = part * each * losses[rows, y] + (1 - part) * each[other] * losses[rows, y[other]]
    wanted = np.stack([1 - shares, shares], 1) if n_logits == 1 else shares
    found = (1 if counts is None else counts) * (wanted * losses).sum(1)
    assert found == pytest.approx(expected, rel=1e-4)
    assert maps.dtype == shares.dtype == np.float32


def test_samples_that_count_nothing_mix_without_a_word() -> None:
    nothing = np.zeros(N, np.float32)
    _, shares, counts = mix(
        MAPS, class_shares(np.arange(N) % 3, 3), nothing, 0.2, np.random.default_rng(0)
    )
    assert (counts == 0).all() and np.isfinite(shares).all()
