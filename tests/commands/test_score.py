"""featx score on images and on cached features, killed, resumed, and refused."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import featx
from featx.cache import FeatureStore
from featx.cache.errors import FeatureMismatchError
from featx.classifiers import ScoreOptions, load_model, save_model, score_images
from featx.classifiers.scoring.predictions import Predictor
from featx.extractor.plan import plan_for
from featx.extractor.run_options import LogObserver
from tests_shared import CHEAP, Cli

RANDOM = ("--weights", "random:0")


class Kill(BaseException):
    """Stands for a kill."""


class KillAfter(LogObserver):
    def __init__(self, n_images: int) -> None:
        self.left = n_images

    def advance(self, n_images: int) -> None:
        self.left -= n_images
        if self.left <= 0:
            raise Kill


@pytest.fixture
def model(cli: Cli, photos: Path) -> Path:
    assert cli("extract", photos, *CHEAP).exit_code == 0
    assert cli("fit", "--head", "centroid").exit_code == 0
    return Path("model.featx")


def report_of(result: Any) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_cached_features_score_like_their_images(cli: Cli, model: Path, photos: Path) -> None:
    words = ("--top-k", 2, "--probabilities", "--json")
    images = report_of(cli("score", model, photos, *RANDOM, "-o", "a.parquet", *words))
    cached = report_of(cli("score", model, "features:", "-o", "b.parquet", *words))
    assert images["n_cached"] == cached["n_cached"] == 24
    assert images["agreement"] == cached["agreement"] > 0.9
    assert pq.read_table("a.parquet").to_pylist() == pq.read_table("b.parquet").to_pylist()
    named = report_of(cli("score", model, "features:photos", "-o", "c", "--format", "csv", *words))
    assert named["n_samples"] == 24 and Path("c/part-00000.csv").exists()


def test_unreadable_images_of_cached_features_keep_their_row(
    cli: Cli, model: Path, photos: Path
) -> None:
    (photos / "red" / "empty.png").write_bytes(b"")
    assert cli("extract", photos, *CHEAP).exit_code == 0
    report = report_of(cli("score", model, "features:", "-o", "p.parquet", "--json"))
    assert report["n_samples"] == 25
    assert report["first_errors"] == [["red/empty.png", "the file is empty"]]
    result = cli("score", model, "features:", "-o", "p.parquet", "--max-bad", "0")
    assert result.exit_code == 3 and len(pq.read_table("p.parquet")) == 25


def test_write_cache_keeps_what_extract_would_have_kept(
    cli: Cli, model: Path, photos: Path
) -> None:
    (photos / "red" / "00.png").write_bytes((photos / "red" / "03.png").read_bytes())
    (photos / "red" / "01.jpg").write_bytes(b"")
    cache = ("--cache", "second")
    scored = ("score", model, photos, *RANDOM, *cache, "--json", "-o", "p.csv")
    assert report_of(cli(*scored))["n_cached"] == 0
    assert not Path("second").exists()
    assert report_of(cli(*scored, "--write-cache"))["n_cached"] == 0
    (stored,) = FeatureStore("second").list_features()
    kept = FeatureStore("second").open_features(stored.name)
    assert (len(kept), kept.n_missing) == (23, 1)
    result = cli("fit", *cache)
    assert result.exit_code == 1 and "no features of a finished extraction" in result.output
    assert stored.name in result.output
    assert cli("fit", stored.name, "-o", "named.featx", *cache).exit_code == 0
    extracted = report_of(cli("extract", photos, *CHEAP, *cache, "--json"))
    assert (extracted["n_extracted"], extracted["n_cached"], extracted["n_bad"]) == (0, 23, 1)
    assert report_of(cli(*scored))["n_cached"] == 23


@pytest.mark.parametrize("write_cache", [False, True])
def test_a_killed_run_over_images_ends_byte_for_byte_the_same(
    cli: Cli, model: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, write_cache: bool
) -> None:
    monkeypatch.setattr(Predictor, "group_rows", 5)
    run = featx.RunOptions(batch_size=4)
    options = ScoreOptions(weights="random:0", write_cache=write_cache, run=run)
    score_images(model, photos, "whole.parquet", options, cache="one")
    with pytest.raises(Kill):
        score_images(model, photos, "p.parquet", options, cache="two", observer=KillAfter(13))
    assert not Path("p.parquet").exists()
    report = score_images(model, photos, "p.parquet", options, cache="two")
    assert report.n_resumed >= 5
    assert Path("p.parquet").read_bytes() == Path("whole.parquet").read_bytes()
    if write_cache:
        (stored,) = FeatureStore("two").list_features()
        assert len(FeatureStore("two").open_features(stored.name)) == 24


SLOW = """
import sys, time
from featx.classifiers.scoring import predict_missing, rows_to_score
from featx.classifiers.scoring.predictions import Predictor
from featx.cli import main
Predictor.group_rows = 4
predict_missing.SAVE_SECONDS = 0
blocks = rows_to_score.ImageRows.blocks
def slowly(*words):
    for block in blocks(*words):
        time.sleep(0.2)
        yield block
rows_to_score.ImageRows.blocks = slowly
main()
"""


@pytest.mark.parametrize("write_cache", [(), ("--write-cache",)])
def test_kill_9_loses_the_last_moment_only(
    cli: Cli,
    model: Path,
    photos: Path,
    write_cache: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Predictor, "group_rows", 4)
    words = ("score", str(model), str(photos), *RANDOM, "--out", "p.jsonl", "--json")
    batches = ("--batch-size", "3", "--cache", "new", *write_cache)
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, *words, *batches], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not list(Path("p.jsonl.parts").glob("*-000000000015-*.features.arrow")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not Path("p.jsonl").exists()
    report = report_of(cli(*words, *batches))
    assert 15 <= report["n_resumed"] < 24 and report["n_samples"] == 24
    other = ("score", model, photos, *RANDOM, "-o", "w.jsonl", "--json", "--cache", "other")
    assert report_of(cli(*other))["n_resumed"] == 0
    assert Path("p.jsonl").read_bytes() == Path("w.jsonl").read_bytes()


def test_labels_that_the_model_does_not_know_are_counted_and_named(
    cli: Cli, model: Path, photos: Path
) -> None:
    (photos / "red").rename(photos / "rosso")
    scored = ("score", model, photos, *RANDOM, "-o", "p.csv")
    report = report_of(cli(*scored, "--json"))
    assert report["unknown_labels"] == {"rosso": 8} and report["n_compared"] == 16
    shown = cli(*scored).stdout
    assert "on 16 of 24 rows" in shown and "8 rows have a label that the model does not" in shown
    assert "rosso (8)" in shown and "accuracy" not in shown.lower()
    for name in ("blue", "green"):
        (photos / name).rename(photos / f"{name}s")
    report = report_of(cli(*scored, "--json"))
    assert report["agreement"] is None and report["n_compared"] == 0
    assert sum(report["unknown_labels"].values()) == 24


def test_features_made_in_another_way_are_refused(cli: Cli, model: Path, photos: Path) -> None:
    other = ("--backbone", "mobilenet", "--weights", "random:0", "--size", "64")
    assert cli("extract", photos, *other).exit_code == 0
    result = cli("score", model, "features:", "-o", "p.csv")
    assert result.exit_code == 1 and "image_size (32, 32) ≠ (64, 64)" in result.stderr
    assert not list(Path().glob("p.csv*"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("backbone", "resnet50"),
        ("weights_digest", "1" * 64),
        ("layer", "conv_pw_12_relu"),
        ("image_size", (64, 64)),
        ("resize", "crop"),
        ("preprocess", "caffe"),
        ("precision", "float16"),
        ("pool", "max"),
        ("views", 2),
    ],
)
def test_every_field_that_changes_numbers_is_refused_by_name(
    cli: Cli, model: Path, field: str, value: object
) -> None:
    loaded = load_model(model)
    other = replace(loaded.spec, **{field: value})
    with pytest.raises(FeatureMismatchError, match=field):
        loaded.check_spec(other)
    loaded.check_spec(replace(loaded.spec, storage="float16"))


def test_a_preprocessing_that_this_featx_would_not_repeat_is_refused(
    cli: Cli, model: Path, photos: Path
) -> None:
    loaded = load_model(model)
    strange = replace(loaded, spec=replace(loaded.spec, preprocess="caffe"))
    save_model(strange, Path("strange.featx"))
    result = cli("score", "strange.featx", photos, *RANDOM, "-o", "p.csv")
    assert result.exit_code == 1 and "preprocess 'caffe' ≠ 'tf'" in result.stderr
    assert asdict(plan_for(loaded.spec, "random:0").spec) == asdict(loaded.spec)


def test_threshold_and_abstain_are_checked_before_any_work(
    cli: Cli, model: Path, photos: Path
) -> None:
    result = cli("score", model, photos, *RANDOM, "-o", "p.csv", "--threshold", "0.5")
    assert result.exit_code == 1 and "two classes, this one has 3" in result.stderr
    result = cli("score", model, photos, *RANDOM, "-o", "p.csv", "--abstain-below", "7")
    assert result.exit_code == 1 and "abstain_below" in result.stderr
    shown = cli("score", model, "features:", "-o", "p.csv", "--abstain-below", "1")
    assert "unsure" in shown.stdout


@pytest.mark.parametrize(("words", "name"), [((), "parquet"), (("--format", "csv"), "csv")])
def test_one_image_is_scored_without_naming_a_file(
    cli: Cli, model: Path, photos: Path, words: tuple[str, ...], name: str
) -> None:
    image = next(photos.rglob("*.png"))
    report = report_of(cli("score", model, image, "--weights", "random:0", *words, "--json"))
    assert report["n_samples"] == 1 and report["out"] == f"predictions.{name}"
    assert Path(f"predictions.{name}").is_file()
