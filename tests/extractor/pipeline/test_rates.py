"""The sentence that names the bottleneck."""

from __future__ import annotations

import pytest

from featx.extractor.engines.batch_size import best_batch
from featx.extractor.pipeline.rates import StageRates, StageSeconds


def rates(read=9000.0, decode=1900.0, inference=410.0, write=1e6, workers=2, cores=2):
    return StageRates(read, decode, inference, write, workers, cores)


@pytest.mark.parametrize(
    ("found", "start", "cure"),
    [
        (rates(), "inference-bound: 410 images/s, where decode could do 1,900", "--backbone"),
        (rates(decode=100), "decode-bound: 100", "more cores"),
        (rates(decode=100, workers=1), "decode-bound: 100", "--workers"),
        (rates(read=50), "read-bound: 50", "disk"),
        (rates(write=5), "write-bound: 5", "--cache"),
    ],
)
def test_sentence_names_the_slowest_stage_and_a_cure(found, start, cure):
    assert found.sentence().startswith(start)
    assert cure in found.sentence()


def test_rates_of_a_run_count_threads():
    seconds = StageSeconds(read=1.0, decode=10.0, infer=20.0, write=0.0)
    found = StageRates.of(100, seconds, (2, 4), 4)
    assert (found.read, found.decode, found.inference) == (200, 20, 20)
    assert found.write == float("inf") and "any number" not in found.sentence()


def test_a_short_run_says_nothing_of_its_stages():
    assert not StageSeconds(read=0.01, decode=0.1, infer=0.3, write=0.5).are_telling
    assert StageSeconds(read=0.1, decode=0.3, infer=0.3, write=0.5).are_telling


def test_best_batch_is_the_smallest_that_none_beats_clearly():
    assert best_batch({8: 100.0, 16: 102.0, 32: 101.0}) == 8
    assert best_batch({8: 100.0, 16: 120.0, 32: 121.0}) == 16
    assert best_batch({}) == 0
