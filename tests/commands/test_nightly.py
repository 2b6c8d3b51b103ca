"""featx score as a nightly job: new images only, an empty inbox, and models that change."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from conftest import make_photos
from PIL import Image
from typer.testing import CliRunner

from featx.classifiers import load_model
from featx.classifiers.models.model_file import model_digest
from featx.classifiers.scoring.outputs.formats import FORMATS
from featx.cli import app
from tests_shared import CHEAP, Cli

RANDOM = ("--weights", "random:0")
NIGHT = (*RANDOM, "--new-only", "--json")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two models for the same features and an inbox of three images."""
    folder = tmp_path_factory.mktemp("nightly")
    photos, cache = make_photos(folder / "photos"), folder / "featx-cache"
    run = CliRunner().invoke
    words = ["extract", photos, *CHEAP, "--cache", cache]
    assert run(app, list(map(str, words))).exit_code == 0
    for head in ("centroid", "ridge"):
        words = ["fit", "--head", head, "--cache", cache, "-o", folder / f"{head}.featx"]
        assert run(app, list(map(str, words))).exit_code == 0
    (folder / "inbox").mkdir()
    for name in ("blue", "green", "red"):
        shutil.copy(photos / name / "00.png", folder / "inbox" / f"{name}.png")
    shutil.rmtree(photos)
    return folder


@pytest.fixture
def inbox(project: Path, tmp_path: Path) -> Path:
    """A copy of the project; the command line runs in it."""
    shutil.copytree(project, tmp_path, dirs_exist_ok=True)
    return tmp_path / "inbox"


def report_of(result: Any) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def picture(path: Path, colour: tuple[int, int, int]) -> None:
    Image.new("RGB", (48, 40), colour).save(path)


def ids_in(folder: str, form: str = "parquet") -> list[str]:
    record = FORMATS[form]
    parts = sorted(Path(folder).iterdir())
    return [name for part in parts for name in record.read(part, ["id"]).column("id").to_pylist()]


@pytest.mark.parametrize("form", FORMATS)
def test_each_night_adds_a_part_with_what_is_new(cli: Cli, inbox: Path, form: str) -> None:
    words = ("score", "ridge.featx", "inbox", *NIGHT, "--format", form, "--top-k", 2)
    assert report_of(cli(*words))["n_samples"] == 3
    first = (Path("predictions") / f"part-00000{FORMATS[form].endings[0]}").read_bytes()
    report = report_of(cli(*words))
    assert (report["n_samples"], report["n_earlier"]) == (0, 3)
    assert len(list(Path("predictions").iterdir())) == 1
    picture(inbox / 'a,"b".png', (200, 50, 40))
    assert report_of(cli(*words))["n_samples"] == 1
    assert (Path("predictions") / f"part-00000{FORMATS[form].endings[0]}").read_bytes() == first
    assert ids_in("predictions", form) == ["blue.png", "green.png", "red.png", 'a,"b".png']


def test_parts_say_model_version_and_time(cli: Cli, inbox: Path) -> None:
    assert cli("score", "ridge.featx", "inbox", *NIGHT, "-o", "p").exit_code == 0
    picture(inbox / "new.png", (40, 60, 200))
    assert cli("score", "centroid.featx", "inbox", *NIGHT, "-o", "p").exit_code == 0
    for number, name in enumerate(("ridge", "centroid")):
        metadata = pq.read_schema(f"p/part-{number:05d}.parquet").metadata
        assert metadata[b"featx.model"].decode() == model_digest(load_model(f"{name}.featx"))
        assert metadata[b"featx.version"]
        assert metadata[b"featx.scored_at"].endswith(b"+00:00")
    assert len(ds.dataset("p").to_table()) == 4


def test_parts_that_were_written_without_the_option_count(cli: Cli, inbox: Path) -> None:
    assert cli("score", "ridge.featx", "inbox", *RANDOM, "-o", "p").exit_code == 0
    picture(inbox / "new.png", (40, 60, 200))
    assert report_of(cli("score", "ridge.featx", "inbox", *NIGHT, "-o", "p"))["n_samples"] == 1


def test_an_image_that_could_not_be_read_is_tried_again(cli: Cli, inbox: Path) -> None:
    (inbox / "late.png").write_bytes(b"")
    words = ("score", "ridge.featx", "inbox", *NIGHT, "-o", "p")
    assert report_of(cli(*words))["n_errors"] == 1
    assert report_of(cli(*words))["n_errors"] == 1
    assert Counter(ids_in("p"))["late.png"] == 1
    picture(inbox / "late.png", (40, 60, 200))
    assert report_of(cli(*words))["n_ok"] == 1
    assert report_of(cli(*words))["n_samples"] == 0
    table = ds.dataset("p").to_table().to_pylist()
    assert [row["status"] for row in table if row["id"] == "late.png"] == ["error", "ok"]


def test_one_file_takes_no_parts_and_columns_must_be_equal(cli: Cli, inbox: Path) -> None:
    refused = cli("score", "ridge.featx", "inbox", *RANDOM, "--new-only", "-o", "p.parquet")
    assert refused.exit_code == 1 and "--out p\n" in refused.stderr
    assert cli("score", "ridge.featx", "inbox", *NIGHT, "-o", "p").exit_code == 0
    picture(inbox / "new.png", (40, 60, 200))
    words = ("score", "ridge.featx", "inbox", *RANDOM, "--new-only", "-o", "p")
    refused = cli(*words, "--top-k", 2)
    assert refused.exit_code == 1 and "with top_classes, top_probabilities" in refused.stderr
    refused = cli(
        "score", "ridge.featx", "inbox", *RANDOM, "--new-only", "--format", "csv", "-o", "p"
    )
    assert refused.exit_code == 1 and "--format parquet" in refused.stderr
    assert len(list(Path("p").iterdir())) == 1


def test_features_that_are_kept_night_by_night(cli: Cli, inbox: Path) -> None:
    words = ("score", "ridge.featx", "inbox", *NIGHT, "-o", "p", "--write-cache")
    assert cli(*words).exit_code == 0
    picture(inbox / "new.png", (40, 60, 200))
    assert cli(*words).exit_code == 0
    assert cli(*words).exit_code == 0
    assert cli("cache", "gc", "--yes").exit_code in (0, 2)
    report = report_of(cli("score", "ridge.featx", "inbox", *RANDOM, "--json", "-o", "all.csv"))
    assert (report["n_samples"], report["n_cached"]) == (4, 4)


def test_cached_features_are_scored_night_by_night(cli: Cli, inbox: Path) -> None:
    words = ("score", "ridge.featx", "features:photos", *NIGHT[2:], "-o", "p")
    assert report_of(cli(*words))["n_samples"] == 24
    assert report_of(cli(*words))["n_samples"] == 0


@pytest.mark.parametrize("name", ["p.parquet", "p.arrow", "p.csv", "p.jsonl", "p"])
def test_another_model_replaces_yesterdays_predictions_only_when_asked(
    cli: Cli, inbox: Path, name: str
) -> None:
    if name.endswith(("csv", "jsonl")) and not hasattr(os, "setxattr"):
        pytest.skip("the file system keeps no attributes")
    assert cli("score", "ridge.featx", "inbox", *RANDOM, "-o", name).exit_code == 0
    assert cli("score", "ridge.featx", "inbox", *RANDOM, "-o", name).exit_code == 0
    refused = cli("score", "centroid.featx", "inbox", *RANDOM, "-o", name)
    assert refused.exit_code == 1 and "of another model" in refused.stderr
    asked = cli("score", "centroid.featx", "inbox", *RANDOM, "-o", name, "--overwrite")
    assert asked.exit_code == 0
    assert cli("score", "centroid.featx", "inbox", *RANDOM, "-o", name).exit_code == 0


@pytest.mark.parametrize("name", ["p.parquet", "p.csv", "p.jsonl", "p"])
def test_columns_on_request(cli: Cli, inbox: Path, name: str) -> None:
    columns = "label,split,model,version,time"
    source = inbox.parent / "table.csv"
    source.write_text("path,label,split\ninbox/red.png,red,test\ninbox/blue.png,,\n")
    result = cli("score", "ridge.featx", source, *RANDOM, "-o", name, "--columns", columns)
    assert result.exit_code == 0, result.output
    record = FORMATS[Path(name).suffix.lstrip(".") or "parquet"]
    file = next(Path(name).iterdir()) if name == "p" else Path(name)
    assert record.column_names(file)[-7:] == [*columns.split(","), "status", "reason"]
    rows = record.read(file, ["label", "split", "model"]).to_pylist()
    assert rows[0] | {"model": ""} == {"label": "red", "split": "test", "model": ""}
    assert not rows[1]["label"] and not rows[1]["split"] and len(rows[1]["model"]) == 64
    unknown = cli("score", "ridge.featx", "inbox", *RANDOM, "--columns", "labl", "-o", "q.csv")
    assert unknown.exit_code == 1 and "label" in unknown.stderr


@pytest.mark.parametrize("kind", ["folder", "table", "list", "pattern"])
def test_an_empty_inbox_is_no_error_where_that_is_said(cli: Cli, inbox: Path, kind: str) -> None:
    for file in inbox.iterdir():
        file.unlink()
    Path("t.csv").write_text("path,label\n")
    Path("l.txt").write_text("")
    source = {"folder": "inbox", "table": "t.csv", "list": "l.txt", "pattern": "inbox/*.png"}[kind]
    assert cli("score", "ridge.featx", source, *RANDOM, "-o", "p.parquet").exit_code == 1
    assert not Path("p.parquet").exists()
    words = ("score", "ridge.featx", source, *RANDOM, "--json", "--allow-empty")
    assert report_of(cli(*words, "-o", "p.parquet"))["n_samples"] == 0
    table = pq.read_table("p.parquet")
    assert len(table) == 0 and table.schema.field("probability").type == pa.float32()
    assert report_of(cli(*words, "--new-only", "-o", "p", "--write-cache"))["n_samples"] == 0
    assert not list(Path("p").glob("*"))
    assert report_of(cli(*words, "-o", "p.csv"))["n_samples"] == 0
    absent = cli("score", "ridge.featx", "absent", *RANDOM, "--allow-empty", "-o", "q.csv")
    assert absent.exit_code == 1
