"""What an extraction would do: counted and estimated, with nothing written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from featx.cache import FeatureStore, manifest
from featx.commands.features.forecast_text import human_duration
from featx.extractor import FeatureOptions, doctor, extract_several, forecast, open_source
from featx.extractor.api import forecast_extraction
from tests_shared import Cli

PIXELS = ("--backbone", "pixels", "--size", "8")

OPTIONS = FeatureOptions(backbone="pixels", image_size=8)


@pytest.fixture(autouse=True)
def trust_new_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files that are younger than two seconds count as unchanged; measure for a moment only."""
    monkeypatch.setattr(manifest, "RACY_NS", 0)
    monkeypatch.setattr(doctor, "INFER_SECONDS", 0.05)


def test_a_first_extraction_is_measured_and_nothing_is_written(photos: Path) -> None:
    cache = photos.parent / "cache"
    expected = forecast_extraction(photos, [OPTIONS], cache=cache)
    assert (expected.n_images, expected.n_to_read, expected.n_done) == (24, 24, 0)
    assert expected.n_unknown == 24
    sizes = sum(path.stat().st_size for path in photos.rglob("*") if path.is_file())
    assert expected.n_bytes_to_read == sizes
    assert expected.basis == "measured now on some images"
    assert expected.images_per_second and expected.seconds > 0
    assert not cache.exists()


def test_what_is_cached_is_told_and_the_last_rate_is_remembered(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "TELLING_ROWS", 20)
    cache = photos.parent / "cache"
    (report,) = extract_several(photos, [OPTIONS], cache=cache)
    done = forecast_extraction(photos, [OPTIONS], cache=cache)
    assert (done.n_done, done.n_to_read, done.images_per_second) == (24, 0, None)
    assert done.sets[0].n_bytes == 0 and done.sets[0].n_features == 8 * 8 * 3
    shutil.copy(photos / "red" / "00.png", photos / "red" / "new.png")
    more = forecast_extraction(photos, [OPTIONS], cache=cache)
    assert (more.n_done, more.n_to_read, more.n_unknown) == (24, 1, 1)
    assert more.sets[0].n_bytes == 8 * 8 * 3 * 4
    rate = report.record.n_extracted / report.record.seconds
    assert more.images_per_second == pytest.approx(rate)
    assert more.basis == f"as in the extraction of {report.name}"


def test_images_that_failed_before_are_not_counted_as_work(photos: Path) -> None:
    cache = photos.parent / "cache"
    (photos / "red" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n no picture")
    extract_several(photos, [OPTIONS], cache=cache)
    expected = forecast_extraction(photos, [OPTIONS], cache=cache)
    assert (expected.n_done, expected.n_failed, expected.n_to_read) == (24, 1, 0)


def test_several_sets_are_told_apart(photos: Path) -> None:
    cache = photos.parent / "cache"
    other = FeatureOptions(backbone="pixels", image_size=8, storage="float16")
    extract_several(photos, [OPTIONS], cache=cache)
    expected = forecast_extraction(open_source(photos), [OPTIONS, other], cache=cache)
    assert [one.n_cached for one in expected.sets] == [24, 0]
    assert expected.n_done == 0 and expected.n_to_read == 24 and expected.n_unknown == 0
    assert len(FeatureStore(cache).list_features()) == 1


def test_the_command(cli: Cli, photos: Path) -> None:
    result = cli("extract", photos, *PIXELS, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "24 images: 0 already cached, 24 to read" in result.stdout
    assert "an estimate" in result.stdout and not Path("featx-cache").exists()
    data = json.loads(cli("extract", photos, *PIXELS, "--dry-run", "--json").stdout)
    assert data["n_to_read"] == 24 and len(data["sets"]) == 1


def test_durations_are_said_in_a_fitting_unit() -> None:
    said = [human_duration(s) for s in (0.2, 90, 600, 86_400)]
    assert said == ["a second", "90 s", "10 min", "24.0 h"]
