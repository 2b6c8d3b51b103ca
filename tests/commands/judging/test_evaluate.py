"""featx evaluate: what the model knew and what it did not, apart."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featx.classifiers import load_model, save_model
from tests_shared import Cli

PIXELS = ("--backbone", "pixels", "--size", "8")


def run(cli: Cli, *words: object) -> dict:
    result = cli(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def fitted(cli: Cli, photos: Path) -> Path:
    """The three colours, a model of them, and after that new images and a new class."""
    run(cli, "extract", photos, *PIXELS)
    run(cli, "fit", "--head", "centroid")
    rng = np.random.default_rng(1)
    for name, colour, n in (("red", (200, 50, 40), 6), ("blue", (205, 52, 41), 2)):
        for i in range(n):
            pixels = rng.normal(colour, 20, (20, 20, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(photos / name / f"new{i}.png")
    (photos / "violet").mkdir()
    for i in range(4):
        Image.new("RGB", (9, 9), (150, i, 200)).save(photos / "violet" / f"{i}.png")
    return photos


def test_held_out_rows_stand_apart_from_those_that_were_trained_on(cli: Cli, fitted: Path) -> None:
    model = load_model("model.featx")
    found = run(cli, "evaluate", "model.featx", fitted)
    n_test, n_train = model.split["test"], model.split["train"]
    parts = {part["role"]: part["rows"] for part in found["parts"]}
    assert parts == {
        "trained on": n_train,
        "validation": model.split["val"],
        "test": n_test,
        "new": 8,
    }
    assert found["judged"] == "held out" and found["n_judged"] == n_test + 8
    assert (found["n_rows"], found["n_known"]) == (36, 32)
    assert found["unknown_classes"] == {"violet": 4}
    matrix = np.array(found["confusion"])
    assert matrix.sum() == found["n_judged"] and matrix[0, 2] == 2
    right = np.trace(matrix) / matrix.sum()
    assert found["measures"]["metrics"]["accuracy"] == pytest.approx(right)
    low, high = found["measures"]["intervals"]["balanced_accuracy"]
    assert low <= found["measures"]["metrics"]["balanced_accuracy"] <= high
    assert {image["sample"] for image in found["worst"]} >= {"blue/new0.png", "blue/new1.png"}
    blue = found["classes"][0]
    assert blue["recall"] == pytest.approx(matrix[0, 0] / matrix[0].sum())
    text = cli("evaluate", "model.featx", fitted).stdout
    assert "4 of 36 rows have a class that the model does not know: violet (4)" in text
    assert f"WARNING: the model was trained on {n_train} more rows: left out below." in text
    assert "baseline: always saying" in text and "blue/new0.png: blue, taken for red" in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_one_split_and_cached_features(cli: Cli, fitted: Path) -> None:
    scores = {s["split"]: s for s in load_model("model.featx").scores}
    for split in ("val", "test"):
        found = run(cli, "evaluate", "model.featx", "features:photos", "--split", split)
        assert found["n_judged"] == scores[split]["n_samples"]
        assert found["measures"]["metrics"]["accuracy"] == scores[split]["metrics"]["accuracy"]
    trained = cli("evaluate", "model.featx", fitted, "--split", "train")
    assert "WARNING: the model was trained on" in trained.stdout
    assert "says nothing of how it does on new images" in " ".join(trained.stdout.split())
    wrong = cli("evaluate", "model.featx", fitted, "--split", "tset")
    assert wrong.exit_code == 1 and "test" in wrong.stderr


def test_measures_of_classes_as_csv(cli: Cli, fitted: Path) -> None:
    found = run(cli, "evaluate", "model.featx", fitted, "--csv", "c.csv")
    with Path("c.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == ["blue", "green", "red"]
    assert float(rows[0]["recall"]) == found["classes"][0]["recall"]
    run(cli, "evaluate", "model.featx", fitted, "--csv", "c.csv")
    Path("c.csv").write_text("mine")
    assert cli("evaluate", "model.featx", fitted, "--csv", "c.csv").exit_code == 1


def test_a_model_of_an_earlier_version_and_a_source_without_known_classes(
    cli: Cli, fitted: Path, tmp_path: Path
) -> None:
    save_model(replace(load_model("model.featx"), rows=None), Path("old.featx"))
    found = cli("evaluate", "old.featx", fitted)
    assert "does not say which images it was trained on" in " ".join(found.stdout.split())
    (tmp_path / "other" / "x").mkdir(parents=True)
    (tmp_path / "other" / "y").mkdir()
    for name in "xy":
        Image.new("RGB", (9, 9)).save(tmp_path / "other" / name / "1.png")
    none = cli("evaluate", "model.featx", tmp_path / "other")
    assert none.exit_code == 1 and "no row of" in none.stderr and "blue" in none.stderr


def test_agreement_in_scoring_is_not_taken_for_accuracy(cli: Cli, fitted: Path) -> None:
    model = load_model("model.featx")
    for source in (fitted, "features:photos"):
        scored = run(cli, "score", "model.featx", source, "-o", "p.csv", "--overwrite")
        assert scored["n_trained_on"] == model.split["train"]
        assert scored["n_held_out"] == model.split["test"] + 8 * (source == fitted)
        text = cli("score", "model.featx", source, "-o", "p.csv", "--overwrite").stdout
        assert f"the model was trained on {model.split['train']} of these rows" in text
        assert f"On the {scored['n_held_out']} that it never saw: " in text
