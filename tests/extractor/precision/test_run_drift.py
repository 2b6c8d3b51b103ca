"""The drift of a run's own images: recorded, and loud where it breaks the contract."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image

from featx import FeatureOptions, RunOptions
from featx.extractor import extract_features
from featx.extractor.precision.drift import Drift

OPTIONS = FeatureOptions(backbone="mobilenet", weights="random:0", image_size=32)


def run(photos, tmp_path, precision="auto", listener=None, **options):
    return extract_features(
        photos,
        replace(OPTIONS, precision=precision),
        cache=tmp_path / "c",
        run=RunOptions(**options),
        observer=listener,
    )


def test_a_run_that_breaks_the_contract_says_so_and_does_not_switch(
    photos, tmp_path, machine, listener
):
    machine.angles["bfloat16"] = 0.02
    before = run(photos, tmp_path)
    machine.angles["bfloat16"] = 0.2
    (photos / "more").mkdir()
    for path in sorted((photos / "red").iterdir()):
        (photos / "more" / path.name).write_bytes(_turned(path))
    after = run(photos, tmp_path, listener=listener)
    assert after.record.fingerprint == before.record.fingerprint and not before.warnings
    assert "TOO FAR FROM FLOAT32" in after.warnings[0] and after.warnings[0] in listener.told
    assert "--precision float32" in after.warnings[0]
    assert Drift.from_dict(after.record.notes["drift"]).median == pytest.approx(0.98, abs=1e-3)


def _turned(path):
    buffer = io.BytesIO()
    Image.open(path).convert("RGB").rotate(180).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_precision_that_was_asked_for_is_held_to_the_same(photos, tmp_path, machine):
    report = run(photos, tmp_path, "bfloat16")
    assert report.record.notes["precision"] == "bfloat16: asked for"
    assert "TOO FAR" in report.warnings[0]


def test_float32_is_not_compared_with_itself(photos, tmp_path, machine):
    report = run(photos, tmp_path, "float32")
    assert "drift" not in report.record.notes and machine.built == ["float32"]


def test_max_drift_is_what_the_run_is_held_to(photos, tmp_path, machine):
    machine.angles["bfloat16"] = 0.03
    assert not run(photos, tmp_path, "bfloat16").warnings
    (tmp_path / "c").rename(tmp_path / "earlier")
    assert run(photos, tmp_path, "bfloat16", max_drift=1e-4).warnings


def test_a_run_that_finds_everything_cached_keeps_the_drift_on_record(photos, tmp_path, machine):
    first = run(photos, tmp_path)
    machine.built.clear()
    again = run(photos, tmp_path)
    assert again.record.n_extracted == 0 and machine.built == []
    assert again.record.notes["drift"] == first.record.notes["drift"]
