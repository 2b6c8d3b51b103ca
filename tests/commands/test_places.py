"""The commands over a cache and a source in a bucket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from s3_shared import HALF, SLOW, Fault, Proxy

import featx
from tests_shared import CHEAP, Cli


def ok(result: Any) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def names_below(url: str) -> set[str]:
    files = fsspec.filesystem("s3", use_listings_cache=False).find(url)
    return {name.partition("/")[2] for name in files}


@pytest.fixture
def source(bucket: str, photos: Path) -> str:
    fsspec.filesystem("s3").put(str(photos), f"{bucket}/photos", recursive=True)
    return f"{bucket}/photos"


def test_all_goes_from_a_bucket_to_a_cache_in_it(
    cli: Cli, proxy: Proxy, bucket: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEATX_CACHE", f"{bucket}/cache")
    proxy.faults = [Fault(SLOW, "GET", "photos/"), Fault(HALF, "PUT", "/shards/")]
    made = ok(cli("extract", source, *CHEAP, "--json"))
    assert (made["n_extracted"], made["n_bad"]) == (24, 0)
    assert not any(fault.times for fault in proxy.faults)
    refused = cli("fit", "--head", "ridge", "-o", f"{bucket}/model.featx")
    assert "is written to this machine" in " ".join(refused.output.split())
    fitted = cli("fit", "--head", "ridge", "-o", "model.featx")
    assert fitted.exit_code == 0, fitted.output
    assert "ridge" in cli("results", "--json").stdout
    words = ("score", "model.featx", source, "--weights", "random:0", "--out", "rows.csv")
    assert ok(cli(*words, "--json"))["n_samples"] == 24
    assert not {name for name in names_below(bucket) if "partial" in name or "journal" in name}


@pytest.mark.long
def test_features_in_a_bucket_are_those_of_a_folder_and_serve_all_commands(
    cli: Cli, bucket: str, source: str, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEATX_CACHE", f"{bucket}/cache")
    for _ in range(2):
        made = ok(cli("extract", source, *CHEAP, "--json"))
    assert (made["n_extracted"], made["n_cached"]) == (0, 24)
    ok(cli("extract", photos, *CHEAP, "--cache", "local", "--json"))
    here, there = featx.open_features(cache="local"), featx.open_features(cache=f"{bucket}/cache")
    order = [list(here.sample_ids).index(name) for name in there.sample_ids]
    assert np.array_equal(here.X[:][order], there.X[:])
    for words in (
        ("sweep", "--heads", "ridge,centroid"),
        ("cache", "merge", "local"),
        ("cache", "info"),
        ("cache", "compact"),
        ("cache", "export", "rows.npz"),
        ("cache", "gc", "--yes"),
        ("cache", "verify"),
        ("cache", "merge", f"{bucket}/cache", "--cache", "other"),
        ("cache", "rm", there.name, "--yes"),
    ):
        ok(cli(*words, "--json"))
    assert featx.open_features(cache="other").X[:].shape == there.X.shape


@pytest.mark.long
def test_parts_of_a_job_array_meet_in_a_bucket(
    cli: Cli, bucket: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("extract", photos, *CHEAP, "--cache", f"{bucket}/cache", "--json")
    monkeypatch.setattr("featx.extractor.parts.BLOCK_IMAGES", 4)
    for number in (1, 2):
        monkeypatch.setenv("FEATX_COPIES", str(tmp_path / f"machine-{number}"))
        ok(cli(*words, "--shard", f"{number}/2"))
    monkeypatch.setenv("FEATX_COPIES", str(tmp_path / "machine-3"))
    assert ok(cli(*words, "--join"))["n_samples"] == 24
    features = featx.open_features(cache=f"{bucket}/cache")
    assert features.n_missing == 0 and features.X[:].shape[0] == 24
    assert not {name for name in names_below(bucket) if "part-" in name}
    assert ok(cli("cache", "verify", "--cache", f"{bucket}/cache", "--json"))["ok"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("cache", "init", "--shared", "--cache", "{}"), "needs no `featx cache init`"),
        (("fit", "--cache", "{}"), "holds no features: run `featx extract` first"),
        (("cache", "ls", "--cache", "{}/nothing"), "No features in"),
        (("cache", "verify", "--cache", "{}/nothing"), "there is no cache at s3://"),
        (("fit", "--cache", "{}-mistyped/cache"), "there is no bucket bucket-"),
        (("extract", "sample", *CHEAP, "--cache", "{}-mistyped"), "there is no bucket bucket-"),
        (("extract", "{}-mistyped/photos", *CHEAP), "there is no bucket bucket-"),
        (("extract", "{}/mistyped", *CHEAP), "does not exist"),
    ],
)
def test_what_a_bucket_cannot_do_is_said(
    cli: Cli, bucket: str, words: tuple[str, ...], message: str
) -> None:
    result = cli(*(word.format(bucket) for word in words))
    assert message in " ".join(result.output.split())
    assert bucket in result.output.replace("\n", "")
