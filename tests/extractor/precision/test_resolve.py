"""One fingerprint for one network, whatever is done to the folder; old features go on."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from featx import FeatureOptions, FeatureStore, RunOptions
from featx.cache.errors import ConfigError
from featx.cache.exchange.merge import merge
from featx.extractor import extract_features, extract_several
from featx.extractor.pipeline import rates
from featx.extractor.plan import make_plan

OPTIONS = FeatureOptions(backbone="mobilenet", weights="random:0", image_size=32)


@pytest.fixture
def fingerprint(photos, tmp_path, machine):
    """Extract the photographs where bfloat16 is good on the calibration set."""
    machine.angles["bfloat16"], machine.by_noise = 0.01, 0.08
    return run(photos, tmp_path / "c").record.fingerprint


def run(source, cache, observer=None, **options):
    return extract_features(source, replace(OPTIONS, **options), cache=cache, observer=observer)


def with_records(cache, change):
    """Change the notes of all records, to what an earlier featx wrote."""
    store = FeatureStore(cache)
    for stored in store.list_features():
        store.write_run(replace(stored.record, notes=change(dict(stored.record.notes))))


def as_earlier(notes):
    del notes["precision_rule"]
    return notes


def noisy(path, seed=0):
    rng = np.random.default_rng(seed)
    Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(path)


# One fingerprint


def test_a_moved_folder_has_the_same_fingerprint(photos, tmp_path, fingerprint):
    photos.rename(tmp_path / "elsewhere")
    report = run(tmp_path / "elsewhere", tmp_path / "c")
    assert report.record.fingerprint == fingerprint and report.record.n_extracted == 0


def test_one_more_image_has_the_same_fingerprint(photos, tmp_path, fingerprint):
    noisy(photos / "red" / "new.png")
    report = run(photos, tmp_path / "c")
    assert report.record.fingerprint == fingerprint and report.record.n_extracted == 1


def test_one_broken_image_changes_nothing(photos, tmp_path, fingerprint):
    (photos / "red" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    report = run(photos, tmp_path / "c")
    assert report.record.fingerprint == fingerprint
    assert (report.record.n_extracted, report.record.n_bad) == (0, 1)


def test_two_halves_have_the_same_fingerprint(photos, tmp_path, fingerprint):
    (tmp_path / "half").mkdir()
    (photos / "red").rename(tmp_path / "half" / "red")
    reports = [run(folder, tmp_path / "c") for folder in (photos, tmp_path / "half")]
    assert {report.record.fingerprint for report in reports} == {fingerprint}
    assert sum(report.record.n_extracted for report in reports) == 0


def test_merged_caches_have_the_same_fingerprint(photos, tmp_path, fingerprint):
    (tmp_path / "other").mkdir()
    for number in range(4):
        noisy(tmp_path / "other" / f"{number}.png", seed=number)
    other = run(tmp_path / "other", tmp_path / "c2")
    merge(FeatureStore(tmp_path / "c"), FeatureStore(tmp_path / "c2"))
    for source in (photos, tmp_path / "other"):
        report = run(source, tmp_path / "c")
        assert report.record.fingerprint == fingerprint == other.record.fingerprint
        assert report.record.n_extracted == 0


def test_the_source_is_never_asked(photos, tmp_path, machine):
    """Under the earlier rule these two folders had two fingerprints."""
    machine.angles["bfloat16"], machine.by_noise = 0.01, 0.08
    (tmp_path / "noise").mkdir()
    noisy(tmp_path / "noise" / "a.png")
    smooth, noise = run(photos, tmp_path / "c"), run(tmp_path / "noise", tmp_path / "c")
    assert noise.warnings and not smooth.warnings
    assert smooth.record.fingerprint == noise.record.fingerprint


def test_a_layer_has_the_same_fingerprint_alone_and_with_others(photos, tmp_path, fingerprint):
    several = [OPTIONS, replace(OPTIONS, layer="conv_pw_11_relu"), replace(OPTIONS, pool="max")]
    reports = extract_several(photos, several, cache=tmp_path / "c")
    assert reports[0].record.fingerprint == fingerprint
    for options, report in zip(several, reports, strict=True):
        alone = extract_features(photos, options, cache=tmp_path / "c3")
        assert alone.record.fingerprint == report.record.fingerprint


# Features that an earlier featx made


@pytest.fixture
def earlier(photos, tmp_path, machine):
    """A cache whose bfloat16 features were decided for the folder; here float16 is decided."""
    machine.angles["bfloat16"] = 0.01
    first = run(photos, tmp_path / "c")
    with_records(tmp_path / "c", as_earlier)
    shutil.rmtree(tmp_path / "home")
    machine.angles["bfloat16"] = 0.04
    return first


def test_earlier_features_go_on_and_the_user_is_told(photos, tmp_path, earlier, listener):
    noisy(photos / "red" / "new.png")
    for _ in range(2):
        again = run(photos, tmp_path / "c", listener)
        assert again.record.fingerprint == earlier.record.fingerprint
    assert "bfloat16, as the cached features" in listener.told[-1]
    assert "--precision float16" in listener.told[-1]
    assert again.record.n_extracted == 0 and "precision_rule" not in again.record.notes


def test_earlier_features_are_found_wherever_the_images_lie(photos, tmp_path, earlier):
    (tmp_path / "half").mkdir()
    (photos / "red").rename(tmp_path / "half" / "red")
    photos.rename(tmp_path / "elsewhere")
    for folder in ("elsewhere", "half"):
        report = run(tmp_path / folder, tmp_path / "c")
        assert report.record.fingerprint == earlier.record.fingerprint
        assert report.record.n_extracted == 0


def test_other_images_get_what_is_decided_now(photos, tmp_path, earlier, listener):
    (tmp_path / "other").mkdir()
    noisy(tmp_path / "other" / "a.png")
    report = run(tmp_path / "other", tmp_path / "c", listener)
    assert report.record.notes["precision"].startswith("float16")


def test_earlier_exact_features_go_on_where_a_fast_format_is_decided(photos, tmp_path, machine):
    machine.formats = ()
    exact = run(photos, tmp_path / "c")
    with_records(tmp_path / "c", as_earlier)
    machine.formats, machine.angles["bfloat16"] = ("bfloat16",), 0.01
    again = run(photos, tmp_path / "c")
    assert again.record.fingerprint == exact.record.fingerprint and again.record.n_extracted == 0
    with_records(tmp_path / "c", lambda notes: {})  # as the first release wrote them
    assert run(photos, tmp_path / "c").record.fingerprint == exact.record.fingerprint


def test_exact_features_go_on_from_when_only_amx_counted_as_fast(photos, tmp_path, machine):
    machine.formats = ()
    exact = run(photos, tmp_path / "c")
    with_records(tmp_path / "c", lambda notes: {**notes, "precision_rule": "calibration"})
    machine.formats, machine.angles["bfloat16"] = ("bfloat16",), 0.01
    again = run(photos, tmp_path / "c")
    assert again.record.fingerprint == exact.record.fingerprint and again.record.n_extracted == 0
    noisy(photos / "red" / "new.png")
    third = run(photos, tmp_path / "c")
    assert third.record.fingerprint == exact.record.fingerprint and third.record.n_extracted == 1


def test_earlier_features_outside_the_contract_are_not_used(photos, tmp_path, earlier):
    far = {"precision": "bfloat16", "median": 0.99, "worst": 0.9, "n_images": 16}
    with_records(tmp_path / "c", lambda notes: {**notes, "drift": far})
    assert run(photos, tmp_path / "c").record.notes["precision"].startswith("float16")


def test_what_was_asked_for_binds_no_later_run_but_is_mentioned(
    photos, tmp_path, machine, listener
):
    asked = run(photos, tmp_path / "c", precision="float32")
    assert asked.record.notes["precision"] == "float32: asked for"
    report = run(photos, tmp_path / "c", listener)
    assert report.record.notes["precision"].startswith("float16")
    assert "float32 features of this source are cached: --precision float32" in listener.told[-1]


# Options


def test_max_drift_can_only_be_tighter():
    with pytest.raises(ConfigError, match="tighter"):
        RunOptions(max_drift=0.01)


def test_unknown_precision_lists_close_ones():
    with pytest.raises(ConfigError, match="bfloat16"):
        make_plan(replace(OPTIONS, precision="bfloat6"))


def test_a_real_run_records_why_and_a_second_one_keeps_it(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(rates, "WORTH_JUDGING", 0.0)
    first, again = run(photos, tmp_path / "c"), run(photos, tmp_path / "c")
    assert first.record.notes["precision"] and first.bottleneck
    assert again.record.fingerprint == first.record.fingerprint
    assert (again.record.n_extracted, again.record.n_cached, again.bottleneck) == (0, 24, "")
