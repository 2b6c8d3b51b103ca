"""Which precision a run takes, and that the same source keeps it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from featx import FeatureOptions, FeatureStore, RunOptions
from featx.cache import RunRecord
from featx.cache.errors import ConfigError
from featx.extractor import extract_features, open_source
from featx.extractor.engines import precision
from featx.extractor.engines.drift import Drift
from featx.extractor.engines.openvino.engine import OPENVINO
from featx.extractor.engines.precision import resolve_precision
from featx.extractor.pipeline import rates
from featx.extractor.pipeline.scan import scan_source
from featx.extractor.plan import make_plan
from featx.extractor.run_options import LogObserver

OPTIONS = FeatureOptions(backbone="mobilenet", weights="random:0", image_size=32)


class Shifted:
    """An engine whose fast rows are turned away from float32 by ``angle``."""

    n_parallel, batch_size, name = 1, 16, "fake"

    def __init__(self, angle):
        self.angle = angle

    def run(self, images):
        x = np.zeros((len(images), 2), np.float32)
        x[:] = np.cos(self.angle), np.sin(self.angle)
        return (x,)


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Engines asked for; bfloat16 drifts by 0.02 %, float16 by nothing."""
    built = []

    def engine(group, name, options):
        built.append(name)
        return Shifted({"float32": 0.0, "bfloat16": 0.1, "float16": 0.001}[name])

    record = replace(OPENVINO, fast_precisions=lambda machine: ("bfloat16", "float16"))
    monkeypatch.setattr(precision, "_engine", engine)
    monkeypatch.setattr(precision, "choose_engine", lambda wanted: (record, "a test"))
    monkeypatch.setenv("FEATX_HOME", str(tmp_path / "home"))
    return built


def one(photos, tmp_path, run=None, say=None, options=OPTIONS):
    store = FeatureStore(tmp_path / "cache")
    scan = scan_source(open_source(photos))
    (plan,) = resolve_precision(
        [make_plan(options)], scan, store, run or RunOptions(), say or LogObserver().say
    )
    return plan


def test_a_precision_that_was_asked_for_is_not_measured(photos, tmp_path, asked):
    found = one(photos, tmp_path, options=replace(OPTIONS, precision="bfloat16"))
    assert found.spec.precision == "bfloat16" and asked == []


def test_auto_falls_back_to_the_next_format_that_keeps_the_contract(photos, tmp_path, asked):
    told = []
    found = one(photos, tmp_path, say=told.append)
    assert found.spec.precision == "float16" and not found.is_open
    assert Drift.from_dict(found.notes[0]["drift"]).within()
    assert asked == ["float32", "bfloat16", "float16"]
    assert "not bfloat16" in told[0] and "float16: cosine" in told[1]


def test_auto_takes_float32_where_nothing_keeps_the_contract(photos, tmp_path, asked):
    found = one(photos, tmp_path, RunOptions(max_drift=1e-9))
    assert found.spec.precision == "float32" and "keeps the contract" in found.notes[0]["precision"]


def test_a_verdict_is_remembered_for_an_interrupted_run(photos, tmp_path, asked):
    first = one(photos, tmp_path)
    del asked[:]
    assert one(photos, tmp_path) == first and asked == []
    tighter = one(photos, tmp_path, RunOptions(max_drift=1e-9))
    assert tighter.spec.precision == "float32" and asked


def test_features_that_are_there_go_on_in_their_precision(photos, tmp_path, asked):
    store = FeatureStore(tmp_path / "cache")
    spec = replace(make_plan(OPTIONS).spec, precision="bfloat16")
    good = {"precision": "bfloat16", "median": 0.9999, "worst": 0.9995, "n_images": 16}
    name = open_source(photos).name
    record = RunRecord(name, spec.fingerprint, 5, 1, 1, 0, 0, 1.0, "", {"drift": good})
    store.write_run(record)
    found = one(photos, tmp_path)
    assert found.spec == spec and asked == [] and "cached" in found.notes[0]["precision"]
    store.write_run(replace(record, notes={}))
    assert one(photos, tmp_path).spec.precision == "float16"
    exact = replace(record, fingerprint=make_plan(OPTIONS).spec.fingerprint, notes={})
    store.write_run(exact)
    assert one(photos, tmp_path).spec.precision == "float32"


def test_max_drift_can_only_be_tighter():
    with pytest.raises(ConfigError, match="tighter"):
        RunOptions(max_drift=0.01)


def test_unknown_precision_lists_close_ones():
    with pytest.raises(ConfigError, match="bfloat16"):
        make_plan(replace(OPTIONS, precision="bfloat6"))


def test_a_real_run_records_why_and_a_second_one_keeps_it(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(rates, "WORTH_JUDGING", 0.0)
    first = extract_features(photos, OPTIONS, cache=tmp_path / "c")
    again = extract_features(photos, OPTIONS, cache=tmp_path / "c")
    assert first.record.notes["precision"] and first.bottleneck
    assert again.record.fingerprint == first.record.fingerprint
    assert (again.record.n_extracted, again.record.n_cached, again.bottleneck) == (0, 24, "")


def test_a_run_that_finds_everything_cached_keeps_the_drift_on_record(photos, tmp_path):
    options = FeatureOptions(backbone="mobilenet", weights="random:0", image_size=32)
    first = extract_features(photos, options, cache=tmp_path / "c")
    again = extract_features(photos, options, cache=tmp_path / "c")
    assert again.record.n_extracted == 0
    assert again.record.notes.get("drift") == first.record.notes.get("drift")
    assert "drift" not in first.record.notes or again.record.notes["drift"]
