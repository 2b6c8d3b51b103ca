"""The decision on the calibration set: with a margin, once on a machine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from featx import FeatureOptions
from featx.extractor.engines import choose
from featx.extractor.engines.openvino.engine import OPENVINO
from featx.extractor.machine.hardware import this_machine
from featx.extractor.plan import make_plan
from featx.extractor.precision import decide as deciding
from featx.extractor.precision.decide import decide
from featx.extractor.precision.drift import MAX_DRIFT, Drift

OPTIONS = FeatureOptions(backbone="mobilenet", weights="random:0", image_size=32)


def decided(max_drift=MAX_DRIFT, say=str, **options):
    return decide(make_plan(replace(OPTIONS, **options)), "auto", max_drift, say)


def angle(cosine):
    return float(np.arccos(cosine))


def test_what_misses_takes_the_next_format(machine):
    told = []
    assert decided(say=told.append).precision == "float16"
    assert machine.built == ["bfloat16", "float32", "float16"]
    assert "measuring bfloat16 and float16, once on this machine" in told[0]
    assert "not bfloat16" in told[1] and "82 calibration pictures" in told[2]


def test_float32_where_nothing_keeps_the_contract(machine):
    machine.angles["float16"] = 0.2
    assert decided().precision == "float32"


def test_float32_where_the_processor_has_no_fast_format(machine):
    machine.formats = ()
    precision, why = decided()
    assert precision == "float32" and "no format faster" in why and machine.built == []


@pytest.mark.parametrize(("cosine", "precision"), [(0.99955, "bfloat16"), (0.99945, "float16")])
def test_the_calibration_set_asks_for_half_the_drift(machine, cosine, precision):
    machine.angles["bfloat16"] = angle(cosine)
    assert decided().precision == precision


def test_one_picture_far_off_is_too_many(machine):
    machine.angles["bfloat16"], machine.by_noise = 0.01, 0.2
    assert decided().precision == "float16"


def test_what_building_the_engine_has_measured_is_not_measured_again(machine, monkeypatch):
    drift = Drift("bfloat16", 0.9999, 0.999, 82)
    record = replace(choose.ENGINES["openvino"], measured_drift=lambda *_: drift)
    monkeypatch.setattr(choose, "ENGINES", {"openvino": record})
    assert decided() == ("bfloat16", drift.describe(MAX_DRIFT / 2, "calibration pictures"))
    assert machine.built == ["bfloat16"]


def test_a_second_process_measures_nothing(machine):
    first = decided()
    machine.built.clear()
    assert decided() == first and machine.built == []


def test_a_tighter_limit_measures_what_is_missing_and_changes_no_other_decision(machine):
    machine.angles |= {"bfloat16": angle(0.9997), "float16": angle(0.99999)}
    assert decided().precision == "bfloat16"
    assert decided(max_drift=1e-4).precision == "float16"
    assert machine.built == ["bfloat16", "float32", "float16", "float32"]
    assert decided(max_drift=0.0).precision == "float32"
    assert decided().precision == "bfloat16"


def test_without_a_home_the_same_answer_comes_again(machine, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FEATX_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.setattr(deciding, "drift_note", lambda *_: _NoNote())
    assert decided() == decided()
    assert machine.built == ["bfloat16", "float32", "float16"] * 2


class _NoNote:
    def read(self):
        return []

    def keep(self, drifts):
        return list(drifts)


def test_the_real_engine_decides_on_the_real_set(monkeypatch):
    if "bfloat16" not in OPENVINO.precisions(this_machine()):
        pytest.skip("OpenVINO computes no bfloat16 on this processor")
    record = replace(OPENVINO, fast_precisions=lambda hardware: ("bfloat16",))
    monkeypatch.setattr(choose, "ENGINES", {**choose.ENGINES, "openvino": record})
    monkeypatch.setattr(deciding, "drift_note", lambda *_: _NoNote())  # other tests share the home
    precision, why = decide(make_plan(OPTIONS), "openvino", MAX_DRIFT, str)
    assert precision == "bfloat16" and "median 0.999" in why
