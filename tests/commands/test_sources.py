"""Sources on the command line: said in one line, named several ways, tables with other columns."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from featx.cli import app
from tests_shared import CHEAP, Cli

RANDOM = ("--weights", "random:0")


@pytest.fixture
def model(cli: Cli, photos: Path) -> Path:
    result = cli("extract", photos, *CHEAP)
    assert result.exit_code == 0, result.output
    assert "Source: 24 images, 3 classes (blue, green, red), from its folders" in result.stderr
    assert cli("fit", "--head", "centroid").exit_code == 0
    return Path("model.featx")


def ids(out: Path = Path("p.csv")) -> list[str]:
    with out.open(newline="") as file:
        return [row["id"] for row in csv.DictReader(file)]


def test_score_takes_images_patterns_lists_and_several_sources(cli: Cli, model: Path) -> None:
    names = ["photos/red/00.png", "photos/blue/00.png"]
    Path("list.txt").write_text("\n".join(names))
    for sources in (names, ["list.txt"]):
        result = cli("score", model, *sources, *RANDOM, "-o", "p.csv")
        assert result.exit_code == 0, result.output
        assert "Source: 2 images, no labels, from" in result.stderr
        assert ids() == names
    assert cli("score", model, "photos/*/00.png", *RANDOM, "-o", "p.csv").exit_code == 0
    assert ids() == ["photos/blue/00.png", "photos/green/00.png", "photos/red/00.png"]
    assert cli("score", model, "photos/red/", "photos/blue/", *RANDOM, "-o", "p.csv").exit_code == 0
    assert len(ids()) == 16 and ids()[0] == "photos/red/00.png"


def test_score_reads_paths_from_standard_input(cli: Cli, model: Path) -> None:
    words = ["score", str(model), "-", *RANDOM, "-o", "p.csv"]
    result = CliRunner().invoke(app, words, input="photos/red/00.png\n")
    assert result.exit_code == 0, result.output
    assert ids() == ["photos/red/00.png"]


def write_table(photos: Path) -> Path:
    rows = [
        f"{path.relative_to(photos.parent)};{path.parent.name};{number % 5}"
        for number, path in enumerate(sorted(photos.rglob("*.*")))
    ]
    table = photos.parent / "bilder.csv"
    table.write_text("\n".join(["bild;art;kunde", *rows]))
    return table


def test_columns_called_otherwise(cli: Cli, photos: Path) -> None:
    table = write_table(photos)
    result = cli("extract", table, *CHEAP)
    assert result.exit_code == 1
    assert "the columns bild, art, kunde" in result.stderr and "--path-column bild" in result.stderr
    words = ("--path-column", "bild", "--label-column", "art", "--group-column", "kunde")
    result = cli("doctor", table, *words, *CHEAP)
    assert result.exit_code == 0 and "24 images, 3 classes" in result.stderr
    result = cli("extract", table, *words, "--separator", "semicolon", *CHEAP)
    assert result.exit_code == 0, result.output
    assert "24 images, 3 classes (blue, green, red), from bilder.csv" in result.stderr
    assert cli("fit", "--head", "centroid").exit_code == 0
    result = cli("score", "model.featx", table, *words, *RANDOM, "-o", "p.csv", "--json")
    assert json.loads(result.stdout)["agreement"] > 0.9


def test_columns_from_featx_toml(cli: Cli, photos: Path) -> None:
    write_table(photos)
    Path("featx.toml").write_text(
        'source = ["bilder.csv"]\npath-column = "bild"\nlabel_column = "art"\n'
    )
    result = cli("extract", *CHEAP)
    assert result.exit_code == 0, result.output
    assert "from bilder.csv (the column bild, label art)" in result.stderr


@pytest.mark.parametrize("option", ["--path-column", "--separator"])
def test_options_of_tables_that_cannot_be_used(cli: Cli, photos: Path, option: str) -> None:
    result = cli("extract", write_table(photos), option, "", *CHEAP)
    assert result.exit_code == 1 and option in result.stderr


def test_a_table_without_any_file_computes_nothing(cli: Cli) -> None:
    Path("t.csv").write_text("path,label\n" + "".join(f"x/{n}.png,a\n" for n in range(9)))
    result = cli("extract", "t.csv", *CHEAP)
    assert result.exit_code == 1 and not Path("featx-cache").exists()
    assert "0 of 9 files found; the first tried was" in result.stderr


def test_a_name_of_two_lines_is_one_row_of_a_table(cli: Cli, photos: Path) -> None:
    path = next(photos.glob("*/*.png"))
    path.rename(path.with_name("two\nlines.png"))
    assert cli("extract", photos, "--backbone", "pixels", "--size", "8").exit_code == 0
    shown = cli("similar", next(photos.glob("*/*.png")), "--top", 24).stdout
    assert "two\\nlines.png" in shown and "two\n" not in shown
