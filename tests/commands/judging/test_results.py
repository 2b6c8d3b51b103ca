"""featx results and featx compare, from the command line."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests_shared import Cli

CHEAP = ("--backbone", "pixels", "--size", "4")


@pytest.fixture
def measured(cli: Cli, photos: Path) -> Cli:
    """Two heads on small pictures, measured in the folder of the test."""
    cli("extract", photos, *CHEAP)
    assert cli("fit", "--head", "centroid", "--out", "a.featx").exit_code == 0
    assert cli("fit", "--head", "ridge", "--out", "b.featx").exit_code == 0
    return cli


def test_a_cached_run_does_not_hide_how_long_extraction_took(measured: Cli, photos: Path) -> None:
    def seconds() -> float:
        data = json.loads(measured("results", "--json").stdout)
        return data["boards"][0]["results"][0]["extract_seconds"]

    first = seconds()
    assert measured("extract", photos, *CHEAP).exit_code == 0
    assert seconds() == first > 0


def test_results_and_comparison(measured: Cli) -> None:
    board = measured("results", "--split", "test")
    assert board.exit_code == 0, board.output
    assert "centroid" in board.stdout and "ridge" in board.stdout
    assert max(map(len, board.stdout.splitlines())) <= 80
    data = json.loads(measured("results", "--json").stdout)
    first = data["boards"][0]["results"][0]
    assert first["n_parameters"] > 0 and first["extract_seconds"] > 0
    rows = list(csv.DictReader(io.StringIO(measured("results", "--csv").stdout)))
    assert {row["name"] for row in rows} == {"centroid", "ridge"}
    assert float(rows[0]["accuracy_low"]) <= float(rows[0]["accuracy"])
    shown = json.loads(measured("results", "--show", "b.featx", "--json").stdout)
    assert shown["name"] == "ridge" and len(shown["confusion"]) == 3
    assert "taken for" in measured("results", "--show", first["id"]).stdout

    said = measured("compare", "a.featx", "b.featx")
    assert said.exit_code == 0, said.output
    assert "McNemar" in said.stdout and "rows of test" in said.stdout
    compared = json.loads(measured("compare", "centroid", "ridge", "--json").stdout)
    assert compared["split"] == "test" and len(compared["sentences"]) == 1
    lines = measured("compare", "a.featx", "ridge", "--csv").stdout.splitlines()
    assert lines[0] == "sample,class,centroid,ridge"


def test_results_show_what_a_model_is_called(measured: Cli) -> None:
    measured("fit", "--head", "centroid", "--name", "shop-window", "--out", "c.featx")
    board = measured("results")
    assert "shop-window" in board.stdout and "name" in board.stdout.splitlines()[1]
    shown = json.loads(measured("results", "--show", "shop-window", "--json").stdout)
    assert shown["head"] == "centroid" and shown["tag"] == {"name": "shop-window"}


def test_a_model_of_another_cache_is_refused(measured: Cli, tmp_path: Path) -> None:
    measured("extract", tmp_path / "photos", *CHEAP, "--cache", "other")
    measured("fit", "--cache", "other", "--head", "lda", "--out", "c.featx")
    refused = measured("compare", "a.featx", "c.featx")
    assert refused.exit_code == 1 and "holds no predictions of c.featx" in refused.stderr


def test_curve(cli: Cli, tmp_path: Path) -> None:
    from conftest import make_photos

    cli("extract", make_photos(tmp_path / "many", 30), *CHEAP)
    drawn = cli("curve", "ridge", "centroid", "--draws", "2")
    assert drawn.exit_code == 0, drawn.output
    assert "images" in drawn.stdout and "ridge: " in drawn.stdout
    assert re.search(r"recall \S+, all +\d\.\d\d of \d", drawn.stdout)
    assert re.search(r"baseline +0\.\d{4}", drawn.stdout) and "always saying" in drawn.stdout
    assert "is a guess" in drawn.stdout
    data = json.loads(cli("curve", "ridge", "--draws", "2", "--json").stdout)
    assert [p["n_images"] for p in data["curves"][0]["points"]][:2] == [10, 20]
    lines = cli("curve", "ridge", "--draws", "2", "--csv").stdout.splitlines()
    assert lines[0] == "head,images,draw,accuracy" and lines[1].startswith("ridge,10,0,")


def test_training_curves_are_kept_and_written_for_tensorboard(cli: Cli, photos: Path) -> None:
    cli("extract", photos, *CHEAP)
    fitted = cli("fit", "--head", "dense", "--epochs", "2", "--tensorboard", "logs")
    assert fitted.exit_code == 0 and "tensorboard --logdir logs" in fitted.stderr
    assert list(Path("logs/dense/train").iterdir())
    shown = json.loads(cli("results", "--show", "dense", "--json").stdout)
    assert len(shown["history"]["loss"]) == len(shown["history"]["accuracy"]) == 2
    none = cli("fit", "--head", "ridge", "--tensorboard", "logs", "--overwrite")
    assert none.exit_code == 0 and "No training curves" in none.stderr


@pytest.fixture
def uneven(cli: Cli, tmp_path: Path) -> Cli:
    """Features of few red and many green pictures that look much alike."""
    rng = np.random.default_rng(0)
    for name, n, green in (("red", 30, 110), ("green", 120, 125)):
        (tmp_path / "uneven" / name).mkdir(parents=True)
        for i in range(n):
            pixels = rng.normal((120, green, 90), 25, (8, 8, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "uneven" / name / f"{i}.png")
    assert cli("extract", "uneven", *CHEAP).exit_code == 0
    return cli


def test_uneven_classes_are_told_in_every_table(uneven: Cli) -> None:
    said = uneven("sweep", "--heads", "knn,centroid")
    assert "Ranked by balanced accuracy" in said.stderr
    fitted = uneven("fit", "--head", "knn", "--out", "b.featx")
    tables = [said, fitted, uneven("results"), uneven("results", "--split", "test")]
    tables.append(uneven("compare", "knn", "centroid", "--split", "val"))
    for table in tables:
        assert table.exit_code == 0, table.output
        assert "recall red" in table.stdout and "baseline" in table.stdout
        assert "Warning: 'red' has " in table.stdout
    widest = max(len(s) for t in tables for s in t.stdout.splitlines() if " of " in s[-20:])
    assert widest <= 80
    by_recall = json.loads(uneven("results", "--sort", "recall:red", "--json").stdout)
    values = [r["metrics"]["recall:red"] for r in by_recall["boards"][0]["results"]]
    assert values == sorted(values, reverse=True)
    assert by_recall["boards"][0]["baseline"]["metrics"]["recall:red"] == 0
    rows = csv.DictReader(io.StringIO(uneven("results", "--csv").stdout))
    assert {row["rarest_class"] for row in rows} == {"red"}
    always = json.loads(uneven("fit", "--metric", "recall:red", "--json", "--overwrite").stdout)
    assert always["metric"] == "recall:red" and "recall:red" in always["scores"][0]["metrics"]
    unknown = uneven("results", "--sort", "recall:rot")
    assert unknown.exit_code == 1 and "is no class here" in unknown.stderr
