"""The pool: order, padding, parallel calls, and memory that does not suffice."""

from __future__ import annotations

import numpy as np
import pytest

from featx.extractor.engines import EnginePool, is_out_of_memory, run_rows
from tests_engines import SumEngine, pixels


class ResourceExhaustedError(Exception):
    """Named as TensorFlow names it."""


def through(pool, batches):
    done = []
    for number, batch in enumerate(batches):
        done += pool.put(number, batch)
    done += pool.drain()
    pool.close()
    return done


def test_run_rows_pads_short_and_cuts_long_input():
    engine = SumEngine(4)
    images = pixels(6, 8)
    (sums,) = run_rows(engine, images)
    np.testing.assert_array_equal(sums[:, 0], images.reshape(6, -1).sum(axis=1))
    assert engine.shapes == [(4, 8, 8, 3), (4, 8, 8, 3)]


@pytest.mark.parametrize("n_parallel", [1, 3])
def test_results_come_in_order_and_in_parallel(n_parallel):
    engine = SumEngine(2, n_parallel)
    pool = EnginePool(lambda size: engine, 2)
    batches = [pixels(2, 8, seed) for seed in range(12)]
    done = through(pool, batches)
    assert [number for number, _ in done] == list(range(12))
    for batch, (_, (sums,)) in zip(batches, done, strict=True):
        np.testing.assert_array_equal(sums[:, 0], batch.reshape(2, -1).sum(axis=1))
    assert engine.most == n_parallel
    assert pool.busy_seconds > 0


@pytest.mark.parametrize("error", [MemoryError, ResourceExhaustedError, RuntimeError])
def test_batches_are_halved_until_they_fit(error):
    built = []

    def build(size):
        built.append(size)
        return SumEngine(size, 2, fits=3, error=error)

    pool = EnginePool(build, 16)
    batches = [pixels(16, 8, seed) for seed in range(4)]
    done = through(pool, batches)
    assert built == [16, 8, 4, 2] and (pool.batch_size, pool.halved) == (2, 3)
    for batch, (_, (sums,)) in zip(batches, done, strict=True):
        np.testing.assert_array_equal(sums[:, 0], batch.reshape(16, -1).sum(axis=1))


def test_an_engine_that_cannot_be_built_for_lack_of_memory_is_built_smaller():
    def build(size):
        if size > 4:
            raise ResourceExhaustedError("OOM when allocating")
        return SumEngine(size)

    pool = EnginePool(build, 16)
    assert pool.start().batch_size == 4
    pool.close()


def test_memory_that_never_suffices_is_an_error():
    pool = EnginePool(lambda size: SumEngine(size, fits=0), 2)
    with pytest.raises(MemoryError):
        through(pool, [pixels(2, 8)])
    pool.close()


def test_other_errors_are_not_taken_for_lack_of_memory():
    pool = EnginePool(lambda size: SumEngine(size, fits=0, error=ValueError), 4)
    with pytest.raises(ValueError, match="out of memory"):
        through(pool, [pixels(4, 8)])
    assert pool.halved == 0
    pool.close()
    assert not is_out_of_memory(ValueError("no more room"))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
    assert is_out_of_memory(RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating"))
