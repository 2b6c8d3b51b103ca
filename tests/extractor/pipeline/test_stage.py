"""A stage: order, padding, parallel calls, and memory that does not suffice."""

from __future__ import annotations

import numpy as np
import pytest

from featx.extractor.engines import is_out_of_memory, run_rows
from featx.extractor.pipeline.stage import Stage
from featx.extractor.run_options import RunOptions
from tests_engines import SumEngine, network, pixels


class ResourceExhaustedError(Exception):
    """Named as TensorFlow names it."""


class FakePlan:
    """A plan whose engines a function builds."""

    def __init__(self, build):
        self.build, self.network = build, network()

    def build_engine(self, batch_size, engine):
        return self.build(batch_size)


def stage_of(build, batch_size):
    return Stage(FakePlan(build), RunOptions(batch_size=batch_size), 1000)


def through(stage, batches):
    jobs = [stage.submit(batch) for batch in batches]
    outputs = []
    for job in jobs:
        try:
            outputs.append(job.outputs.result())
        except Exception as error:  # noqa: BLE001 (as the stream does)
            outputs.append(stage.run_again(job, error))
    stage.close()
    return outputs


def test_run_rows_pads_short_and_cuts_long_input():
    engine = SumEngine(4)
    images = pixels(6, 8)
    (sums,) = run_rows(engine, images)
    np.testing.assert_array_equal(sums[:, 0], images.reshape(6, -1).sum(axis=1))
    assert engine.shapes == [(4, 8, 8, 3), (4, 8, 8, 3)]


@pytest.mark.parametrize("n_parallel", [1, 3])
def test_results_come_in_order_and_in_parallel(n_parallel):
    engine = SumEngine(2, n_parallel)
    stage = stage_of(lambda size: engine, 2)
    batches = [pixels(2, 8, seed) for seed in range(12)]
    done = through(stage, batches)
    for batch, (sums,) in zip(batches, done, strict=True):
        np.testing.assert_array_equal(sums[:, 0], batch.reshape(2, -1).sum(axis=1))
    assert engine.most == n_parallel
    assert stage.busy_seconds > 0


@pytest.mark.parametrize("error", [MemoryError, ResourceExhaustedError, RuntimeError])
def test_batches_are_halved_until_they_fit(error):
    built = []

    def build(size):
        built.append(size)
        return SumEngine(size, 2, fits=3, error=error)

    stage = stage_of(build, 16)
    batches = [pixels(16, 8, seed) for seed in range(4)]
    done = through(stage, batches)
    assert built == [16, 8, 4, 2] and (stage.batch_size, stage.n_halved) == (2, 3)
    for batch, (sums,) in zip(batches, done, strict=True):
        np.testing.assert_array_equal(sums[:, 0], batch.reshape(16, -1).sum(axis=1))


def test_an_engine_that_cannot_be_built_for_lack_of_memory_is_built_smaller():
    def build(size):
        if size > 4:
            raise ResourceExhaustedError("OOM when allocating")
        return SumEngine(size)

    stage = stage_of(build, 16)
    assert stage.start().batch_size == 4
    stage.close()


def test_memory_that_never_suffices_is_an_error():
    stage = stage_of(lambda size: SumEngine(size, fits=0), 2)
    with pytest.raises(MemoryError):
        through(stage, [pixels(2, 8)])
    stage.close()


def test_other_errors_are_not_taken_for_lack_of_memory():
    stage = stage_of(lambda size: SumEngine(size, fits=0, error=ValueError), 4)
    with pytest.raises(ValueError, match="out of memory"):
        through(stage, [pixels(4, 8)])
    assert stage.n_halved == 0
    stage.close()
    assert not is_out_of_memory(ValueError("no more room"))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
    assert is_out_of_memory(RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating"))
