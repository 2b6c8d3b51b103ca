"""featx drift and featx score --flag-unlike, from the command line."""

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


def paint(folder: Path, n: int, seed: int, colours: tuple[tuple[int, int, int], ...]) -> Path:
    """Write pictures of noisy colours, in a folder for each."""
    rng = np.random.default_rng(seed)
    for number, colour in enumerate(colours):
        (folder / str(number)).mkdir(parents=True)
        for i in range(n):
            pixels = rng.normal(colour, 25, (12, 12, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / str(number) / f"{i}.png")
    return folder


@pytest.fixture
def fitted(cli: Cli, tmp_path: Path) -> Cli:
    """A model of red and green pictures, new ones of the same kind, and blue ones."""
    red_green = ((180, 60, 60), (60, 180, 60))
    paint(tmp_path / "train", 80, 0, red_green)
    paint(tmp_path / "new", 40, 1, red_green)
    paint(tmp_path / "blue", 40, 2, ((60, 60, 200),))
    assert cli("extract", "train", *PIXELS).exit_code == 0
    assert cli("fit", "--head", "ridge", "--out", "model.featx").exit_code == 0
    return cli


def test_new_images_of_another_kind_are_drift(fitted: Cli) -> None:
    same = fitted("drift", "model.featx", "new", "--json")
    assert same.exit_code == 0, same.output
    found = json.loads(same.stdout)
    assert found["p_value"] > 0.05 and not found["drifted"] and found["n_compared"] == 80
    assert found["sentence"].startswith("Nothing shows that these images differ")
    other = fitted("drift", "model.featx", "blue")
    assert other.exit_code == 4
    assert "These images differ from the training images: a classifier tells" in other.stdout
    assert "100.0% of them are unlike" in other.stdout
    lenient = fitted("drift", "model.featx", "blue", "--max-auc", "1")
    assert lenient.exit_code == 0 and "but little" in lenient.stdout


def test_rows_of_training_are_left_out_and_few_rows_refused(fitted: Cli, tmp_path: Path) -> None:
    split = load_model("model.featx").split
    found = json.loads(fitted("drift", "model.featx", "train", "--json").stdout)
    assert found["n_trained_on"] == split["train"]
    assert found["n_compared"] == 160 - split["train"]
    paint(tmp_path / "few", 5, 3, ((180, 60, 60),))
    few = fitted("drift", "model.featx", "few")
    assert few.exit_code == 1 and "20 new images or more" in few.stderr


def test_unlike_images_have_a_column_and_a_count(fitted: Cli) -> None:
    said = fitted("score", "model.featx", "blue", "--flag-unlike", "--out", "blue.csv")
    assert said.exit_code == 0, said.output
    assert "40 images unlike the training images" in said.stdout
    assert "calibrate what is unlike" in said.stderr
    with Path("blue.csv").open(newline="") as file:
        assert {row["unlike"] for row in csv.DictReader(file)} == {"true"}
    rate = ("--unlike-rate", "10%")
    options = ("--flag-unlike", *rate, "--columns", "known", "--out", "all.jsonl", "--json")
    report = json.loads(fitted("score", "model.featx", "train", *options).stdout)
    rows = [json.loads(line) for line in Path("all.jsonl").read_text().splitlines()]
    assert report["n_unlike"] == sum(row["unlike"] for row in rows) <= 24
    roles = [row["known"] for row in rows]
    split = load_model("model.featx").split
    assert [roles.count(w) for w in ("trained on", "validation", "test", "new")] == [
        split["train"],
        split["val"],
        split["test"],
        0,
    ]
    plain = fitted("score", "model.featx", "new", "--columns", "known", "--out", "new.csv")
    assert plain.exit_code == 0 and "unlike" not in plain.stdout
    header, first, *_ = Path("new.csv").read_text().splitlines()
    assert "unlike" not in header and '"new"' in first


def test_a_model_of_an_earlier_featx_says_how_to_make_it_again(fitted: Cli) -> None:
    save_model(replace(load_model("model.featx"), novelty=None), "old.featx")
    for words in (("drift",), ("score", "--flag-unlike")):
        refused = fitted(words[0], "old.featx", "new", *words[1:])
        assert refused.exit_code == 1 and "featx fit --like MODEL" in refused.stderr
    assert fitted("fit", "--like", "old.featx", "--out", "again.featx").exit_code == 0
    assert load_model("again.featx").novelty is not None
