"""Joined features on the command line: fitted, scored from one decoding, judged."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import featx
from featx.cache import FeatureStore
from featx.classifiers.similar.nearest import find_similar
from featx.extractor.sources.source import source_name
from tests_shared import Cli

KERAS = ("--engine", "keras")
"""Converting each network for OpenVINO would take most of the time of these tests."""
PIXELS = ("--backbone", "pixels", "--precision", "float32", *KERAS)


@pytest.fixture
def joined(cli: Cli, photos: Path) -> str:
    """Three sets of one source, two of them of one forward pass; return the name of them all."""
    sets = (("grid", 16, "grid:2"), ("mean", 16, "avg"), ("small", 4, "flatten"))
    for name, size, pool in sets:
        done = cli(
            *("extract", photos, *PIXELS, "--size", size, "--pool", pool, "--name", name, "--json")
        )
        assert done.exit_code == 0, done.stderr
    return "+".join(name for name, *_ in sets)


def rows_of(path: str) -> list[dict[str, Any]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def test_scores_are_the_same_from_images_and_from_the_cache(
    cli: Cli, joined: str, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = cli("fit", joined, "--head", "ridge", "--json")
    assert fitted.exit_code == 0, fitted.stderr
    name = json.loads(fitted.stdout)["features"]
    assert name.startswith(source_name("photos", str(photos.resolve()))) and name.count("+") == 2
    assert cli("score", "model.featx", f"features:{joined}", "-o", "cached.csv").exit_code == 0
    reads: list[int] = []
    source_class = type(featx.open_source(photos))
    read = source_class.read
    monkeypatch.setattr(source_class, "read", lambda self, i: reads.append(i) or read(self, i))
    monkeypatch.setattr("featx.cache.manifest.RACY_NS", 0)
    scored = cli(
        *("score", "model.featx", photos, "-o", "fresh.csv", "--cache", "new", "--write-cache"),
        *KERAS,
    )
    assert scored.exit_code == 0, scored.stderr
    assert rows_of("fresh.csv") == rows_of("cached.csv") and len(rows_of("fresh.csv")) == 24
    # Each image is read once for all sets; a few more for the check of the pixel range.
    assert len(FeatureStore("new").list_features()) == 3
    n_read = len(reads)
    again = cli("score", "model.featx", photos, "-o", "again.csv", "--cache", "new", *KERAS)
    assert again.exit_code == 0 and "24 came from the cache" in again.output
    assert rows_of("again.csv") == rows_of("cached.csv")
    assert n_read - (len(reads) - n_read) == 24
    evaluated = cli("evaluate", "model.featx", photos, "--json")
    assert evaluated.exit_code == 0, evaluated.stderr


def test_a_partly_cached_source_is_completed(cli: Cli, joined: str, photos: Path) -> None:
    assert cli("fit", joined, "--head", "centroid").exit_code == 0
    assert cli("score", "model.featx", photos, "-o", "all.csv", *KERAS).exit_code == 0
    half = [*sorted(photos.glob("*/*.png"))][::2]
    for path in half:
        (photos.parent / "half" / path.parent.name).mkdir(parents=True, exist_ok=True)
        (photos.parent / "half" / path.parent.name / path.name).write_bytes(path.read_bytes())
    extracted = cli(
        *("extract", photos.parent / "half", *PIXELS, "--size", 4, "--pool", "flatten"),
        *("--cache", "partly"),
    )
    assert extracted.exit_code == 0, extracted.stderr
    scored = cli("score", "model.featx", photos, "-o", "partly.csv", "--cache", "partly", *KERAS)
    assert scored.exit_code == 0, scored.stderr
    assert rows_of("partly.csv") == rows_of("all.csv")


def test_a_sweep_ranks_joined_features_beside_others(cli: Cli, joined: str) -> None:
    swept = cli("sweep", joined, "small", "--heads", "centroid,ridge", "--json")
    assert swept.exit_code == 0, swept.stderr
    names = {row["features"] for row in json.loads(swept.stdout)["leaderboard"]}
    assert len(names) == 2
    again = cli("sweep", joined, "--heads", "centroid,ridge", "--memory", "1GB")
    assert again.exit_code == 0 and "10 of them measured before" in again.output
    for words in (("results",), ("curve", "ridge", "--features", joined)):
        done = cli(*words)
        assert done.exit_code == 0, done.output
    like = cli("fit", "--like", "model.featx", "-o", "like.featx")
    assert like.exit_code == 0, like.output
    a, b = featx.load_model("model.featx"), featx.load_model("like.featx")
    for name, array in a.head.get_arrays().items():
        np.testing.assert_array_equal(array, b.head.get_arrays()[name])


def test_images_that_a_set_lacks_are_left_out_and_named(
    cli: Cli, joined: str, photos: Path
) -> None:
    new = photos / "red" / "new.png"
    new.write_bytes(b"".join([next(photos.glob("*/*.png")).read_bytes(), b"\n"]))
    assert cli("extract", photos, *PIXELS, "--size", 16, "--pool", "grid:2").exit_code == 0
    fitted = cli("fit", joined, "--head", "ridge")
    assert fitted.exit_code == 0, fitted.stderr
    assert "1 image is left out, which a set that is joined lacks: " in fitted.stderr
    assert "(the first is red/new.png)" in fitted.stderr


def test_what_takes_one_set_says_so(cli: Cli, joined: str) -> None:
    for words in (("cache", "info"), ("cache", "rm")):
        refused = cli(*words, joined)
        assert refused.exit_code == 1 and "joins 3 sets of features" in refused.stderr
    tuned = cli("finetune", joined, "--from", "pixels")
    assert tuned.exit_code == 1 and "takes the features of one set" in tuned.stderr
    assert cli("fit", joined, "--head", "centroid").exit_code == 0
    exported = cli("export", "model.featx", "--to", "keras")
    assert exported.exit_code == 1 and "one graph takes images of one size" in exported.stderr
    packed = cli("model", "pack", "model.featx")
    assert packed.exit_code == 1 and "takes the features of one set" in packed.stderr


def test_joined_features_export_to_one_graph(cli: Cli, joined: str) -> None:
    assert cli("fit", "grid+mean", "--head", "ridge").exit_code == 0
    exported = cli("export", "model.featx", "--to", "keras", "--json")
    assert exported.exit_code == 0, exported.stderr
    assert json.loads(exported.stdout)["difference"] < 1e-4


def test_joined_features_in_python(cli: Cli, joined: str, photos: Path) -> None:
    grid, small = featx.open_features("grid"), featx.open_features("small")
    both = grid + small
    report = featx.fit(both, head="ridge")
    assert report.features == both.name
    paths = [photos / name for name in both.sample_ids[:3]]
    expected = report.model.predict_proba(both[:3])
    np.testing.assert_allclose(report.model.predict_proba(paths), expected, atol=1e-6)
    swept = featx.sweep([both, grid], heads=["centroid"], out="swept.featx")
    assert {candidate.features for candidate in swept.candidates} == {both.name, grid.name}
    near = find_similar(both, str(paths[0]), top=1)
    assert near[0].similarity == pytest.approx(1, abs=1e-5)


def test_the_most_useful_columns_of_joined_sets_are_kept(cli: Cli, joined: str) -> None:
    fitted = cli("fit", joined, "--head", "ridge", "--select", 5, "--json")
    assert fitted.exit_code == 0, fitted.stderr
    model = featx.load_model("model.featx")
    assert len(model.head.columns_) == 5 and model.head.n_features_in_ > 5
    assert cli("score", "model.featx", f"features:{joined}", "-o", "p.csv").exit_code == 0
    again = cli("fit", "--like", "model.featx", "-o", "again.featx")
    assert again.exit_code == 0, again.stderr
    np.testing.assert_array_equal(
        featx.load_model("again.featx").head.columns_, model.head.columns_
    )
    swept = cli(*("sweep", joined, "--select", 5, "--heads", "ridge,centroid", "--cv", 2, "--json"))
    assert swept.exit_code == 0, swept.stderr
    rows = json.loads(swept.stdout)["leaderboard"]
    assert all(row["params"]["select"] == 5 for row in rows)
    assert len(featx.load_model("model.featx").head.columns_) == 5
    refused = cli("fit", joined, "--select", 0)
    assert refused.exit_code != 0 and "select" in refused.stderr
