"""Random views on the command line: extracted, learned from, and named where they are missing."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests_shared import Cli

PIXELS = (
    *("--backbone", "pixels", "--precision", "float32", "--engine", "keras"),
    *("--size", "8", "--pool", "avg"),
)
DRAWN = {"n": 3, "ops": "crop,flip", "seed": 1}


@pytest.fixture
def views(cli: Cli, photos: Path) -> Path:
    """Features of photographs and of two random views of each."""
    drawn = ("--views", "3", "--view-ops", "crop,flip", "--views-seed", "1")
    done = cli("extract", photos, *PIXELS, *drawn, "--name", "mean")
    assert done.exit_code == 0, done.stderr
    return photos


def test_a_head_learns_from_views_and_is_made_again_with_them(cli: Cli, views: Path) -> None:
    fitted = cli("fit", "--head", "ridge", "--views", "3")
    assert fitted.exit_code == 0, fitted.stderr
    assert "learned from 3 views (crop,flip; seed 1) of each training image" in fitted.stdout
    plain = json.loads(cli("fit", "--head", "ridge", "-o", "plain.featx", "--json").stdout)
    assert plain["views"] == {}
    like = cli("fit", "--like", "model.featx", "-o", "like.featx", "--json")
    assert like.exit_code == 0, like.stderr
    assert json.loads(like.stdout)["views"] == DRAWN
    digests = {
        name: json.loads(cli("model", "info", f"{name}.featx", "--json").stdout)["digest"]
        for name in ("model", "like", "plain")
    }
    assert digests["like"] == digests["model"] != digests["plain"]
    assert "views: n 3 ops crop,flip seed 1" in cli("model", "info", "model.featx").stdout


@pytest.mark.parametrize("cv", ["0", "3"])
def test_a_sweep_learns_from_views(cli: Cli, views: Path, cv: str) -> None:
    command = ("sweep", "--heads", "centroid,ridge", "--cv", cv, "--overwrite")
    assert json.loads(cli(*command, "--json").stdout)["views"] == {}
    swept = json.loads(cli(*command, "--views", "3", "--json").stdout)
    assert swept["views"] == DRAWN
    text = cli(*command, "--views", "3", "--view-ops", "crop,flip").stdout
    assert "learned from 3 views (crop,flip; seed 1) of each training image" in text


@pytest.mark.parametrize("command", ["fit", "sweep"])
def test_what_the_cache_lacks_is_refused_with_the_command_to_type(
    cli: Cli, views: Path, command: str
) -> None:
    refused = cli(command, "--views", "4")
    assert refused.exit_code == 1
    typed = (
        f"featx extract {views} --backbone pixels --layer pixels --pool avg --size 8 --views 4 "
        "--view-ops crop,flip --views-seed 1"
    )
    assert f"`{typed}` computes what is missing" in " ".join(refused.stderr.split())
    assert not Path("model.featx").exists()
    done = cli(*typed.split()[1:], "--precision", "float32", "--engine", "keras")
    assert done.exit_code == 0, done.stderr
    heads = ("--heads", "centroid") if command == "sweep" else ("--head", "centroid")
    assert cli(command, *heads, "--views", "4").exit_code == 0
    alone = cli(command, "--view-ops", "flip")
    assert alone.exit_code == 1
    assert "--view-ops belongs to --views: add that" in alone.stderr


def test_results_say_which_views_were_learned_from(cli: Cli, views: Path) -> None:
    assert cli("fit", "--head", "ridge").exit_code == 0
    assert "views" not in cli("results").stdout.splitlines()[1]
    assert cli("fit", "--head", "ridge", "--views", "3").exit_code == 0
    (board, *_) = json.loads(cli("results", "--json").stdout)["boards"]
    learned = {entry["id"]: entry["views"] for entry in board["results"]}
    assert sorted(learned.values(), key=len) == [{}, DRAWN]
    assert "3 crop,flip" in cli("results").stdout
    lines = list(csv.DictReader(io.StringIO(cli("results", "--csv").stdout)))
    assert {line["views"] for line in lines} == {"", "3 views (crop,flip; seed 1)"}
    shown = next(name for name, fields in learned.items() if fields)
    assert "learned from 3 views (crop,flip; seed 1)" in cli("results", "--show", shown).stdout


def test_the_report_names_the_commands_with_views(cli: Cli, views: Path) -> None:
    assert cli("fit", "--head", "ridge", "--views", "3").exit_code == 0
    done = cli("report", "-o", "report.html")
    assert done.exit_code == 0, done.stderr
    page = Path("report.html").read_text(encoding="utf-8")
    assert page.count("--views 3 --view-ops crop,flip --views-seed 1") == 2
    assert "3 views (crop,flip; seed 1)" in page


def test_joined_features_have_the_views_of_each_set(cli: Cli, views: Path) -> None:
    other = (*PIXELS[:-1], "grid:2")
    assert cli("extract", views, *other, "--name", "grid").exit_code == 0
    refused = cli("fit", "mean+grid", "--views", "3")
    assert refused.exit_code == 1
    assert "--pool grid:2 --size 8 --views 3" in " ".join(refused.stderr.split())
    drawn = ("--views", "3", "--view-ops", "crop,flip", "--views-seed", "1")
    assert cli("extract", views, *other, *drawn, "--name", "grid").exit_code == 0
    joined = "mean+grid"
    fitted = cli("fit", joined, "--head", "ridge", "--views", "3", "--json")
    assert fitted.exit_code == 0, fitted.stderr
    assert json.loads(fitted.stdout)["views"] == DRAWN
    swept = cli(*("sweep", joined, "--heads", "ridge", "--views", "3", "--cv", "3"), "--json")
    assert swept.exit_code == 0, swept.stderr
    scored = cli("score", "model.featx", views, "-o", "scores.csv", "--engine", "keras")
    assert scored.exit_code == 0, scored.stderr
    assert len(Path("scores.csv").read_text(encoding="utf-8").splitlines()) == 25
