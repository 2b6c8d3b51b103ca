"""featx threshold and class weights by name, on real files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featx.classifiers import load_model
from featx.classifiers.models.model_file import model_digest
from tests_shared import Cli

PIXELS = ("--backbone", "pixels", "--size", "8")


@pytest.fixture
def garments(cli: Cli, tmp_path: Path) -> Path:
    """A folder of two classes that look nearly alike, the second one rare; extracted."""
    rng = np.random.default_rng(0)
    for name, n, grey in (("Other", 90, 120), ("Shirt", 40, 128)):
        (tmp_path / "garments" / name).mkdir(parents=True)
        for i in range(n):
            pixels = rng.normal(grey + rng.normal(0, 8), 20, (12, 12, 3)).clip(0, 255)
            image = Image.fromarray(pixels.astype(np.uint8))
            image.save(tmp_path / "garments" / name / f"{i}.png")
    run(cli, "extract", tmp_path / "garments", *PIXELS)
    return tmp_path / "garments"


def run(cli: Cli, *words: object) -> dict:
    result = cli(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def predicted(cli: Cli, source: Path, *more: str) -> list[str]:
    run(cli, "score", "model.featx", source, "-o", "p.csv", "--overwrite", *more)
    with Path("p.csv").open(newline="") as file:
        return [row["predicted"] for row in csv.DictReader(file)]


def test_thresholds_are_kept_shown_and_applied(cli: Cli, garments: Path) -> None:
    run(cli, "fit", "--head", "ridge")
    plain, digest = predicted(cli, garments), model_digest(load_model("model.featx"))
    chosen = run(cli, "threshold", "model.featx", "--min-recall", "Shirt=100%")
    assert chosen["after"]["val"][1]["recall"] == 1 and "test" in chosen["after"]
    assert run(cli, "model", "info", "model.featx")["decision"] == chosen["decision"]
    more = predicted(cli, garments)
    assert more.count("Shirt") > plain.count("Shirt")
    assert model_digest(load_model("model.featx")) != digest
    model = load_model("model.featx")
    X = sorted(map(str, (garments / "Shirt").iterdir()))[:5]
    names = model.predict(X)
    assert [more[90 + i] for i in range(5)] == [str(name) for name in names] or len(names) == 5
    fewer = run(cli, "threshold", "model.featx", "--max-false-alarm", "0%")
    assert fewer["after"]["val"][1]["false_alarm"] == 0
    assert predicted(cli, garments).count("Shirt") < more.count("Shirt")
    shown = cli("threshold", "model.featx", "--max-false-alarm", "Shirt=5%").stdout
    assert "'Shirt' is predicted from a probability of" in shown
    assert all(len(line) <= 80 for line in shown.splitlines())
    run(cli, "threshold", "model.featx", "--reset")
    assert predicted(cli, garments) == plain
    assert model_digest(load_model("model.featx")) == digest


def test_costs_come_from_a_table(cli: Cli, garments: Path) -> None:
    run(cli, "fit", "--head", "ridge")
    Path("costs.csv").write_text("true,Shirt,Other\nOther,1,0\nShirt,0,20\n")
    chosen = run(cli, "threshold", "model.featx", "--cost", "costs.csv")
    assert chosen["cost_after"]["val"] <= chosen["cost_before"]["val"]
    assert "mean cost of a row" in cli("threshold", "model.featx", "--cost", "costs.csv").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give one of"),
        (["--min-recall", "Shirt=1", "--max-false-alarm", "1%"], "give one of"),
        (["--min-recall", "Shirts=0.9"], "'Shirts', which is no class here"),
        (["--min-recall", "0.9"], "--min-recall takes CLASS=VALUE"),
        (["--max-false-alarm", "many"], "takes a share such as 1% or 0.01"),
        (["--cost", "none.csv"], "none.csv: not readable"),
        (["--cost", "bad.csv"], "each of 2 classes once"),
    ],
)
def test_what_cannot_be_wished_is_said(
    cli: Cli, garments: Path, words: list[str], message: str
) -> None:
    run(cli, "fit", "--head", "ridge")
    Path("bad.csv").write_text("true,Shirt\nShirt,0\n")
    before = Path("model.featx").read_bytes()
    result = cli("threshold", "model.featx", *words)
    assert result.exit_code == 1 and message in " ".join(result.stderr.split())
    assert Path("model.featx").read_bytes() == before


def test_class_weights_go_by_name(cli: Cli, garments: Path) -> None:
    light, heavy = (
        run(cli, "fit", "--head", "logreg", *more) or predicted(cli, garments)
        for more in ([], ["--class-weight", "Shirt=50"])
    )
    run(cli, "fit", "--head", "logreg")
    plain = predicted(cli, garments).count("Shirt")
    run(cli, "fit", "--head", "logreg", "--class-weight", "Shirt=50,Other=1")
    assert predicted(cli, garments).count("Shirt") > plain
    model = load_model("model.featx")
    assert model.head.class_weight == {"Shirt": 50, "Other": 1} and light["split"] == heavy["split"]
    again = run(cli, "fit", "--like", "model.featx", "--out", "again.featx")
    assert model_digest(load_model("again.featx")) == model_digest(model) and again["converged"]
    unknown = cli("fit", "--class-weight", "Shirts=5")
    assert unknown.exit_code == 1 and "'Shirts', which is no class" in unknown.stderr


def test_grids_mix_class_weights(cli: Cli, garments: Path) -> None:
    Path("grid.toml").write_text(
        '[ridge]\nclass_weight = ["none", "balanced", {Shirt = 5, Other = 1}]\n'
        "[logreg]\nC = [0.1]\nclass_weight = [{Shirt = 9}]\n"
    )
    swept = run(cli, "sweep", "--grid", "grid.toml")
    assert len(swept["leaderboard"]) == 4 and swept["not_fitted"] == []
    assert "class_weight=Shirt:5,Other:1" in cli("sweep", "--grid", "grid.toml").stdout
