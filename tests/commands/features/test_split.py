"""featx split, and what fit says of splits, on real files."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from featx.classifiers import load_model
from featx.classifiers.models.model_file import model_digest
from tests_shared import Cli

PIXELS = ("--backbone", "pixels", "--size", "8")


def run(cli: Cli, *words: object) -> dict:
    result = cli(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def table(cli: Cli, *words: object) -> dict[str, str]:
    """Return the split of each image by its digest."""
    run(cli, "split", "export", "t.csv", *words)
    with Path("t.csv").open(newline="") as file:
        return {row["digest"]: row["split"] for row in csv.DictReader(file)}


def test_no_image_moves_when_a_folder_changes(cli: Cli, photos: Path) -> None:
    run(cli, "extract", photos, *PIXELS)
    before = table(cli)
    assert set(before.values()) == {"train", "val", "test"}
    Image.new("RGB", (9, 9), (250, 3, 3)).save(photos / "red" / "new.png")
    (photos / "blue" / "00.png").rename(photos / "green" / "corrected.png")
    (photos / "red").rename(photos / "scarlet")
    (photos / "green" / "01.jpg").unlink()
    photos.rename("moved")
    run(cli, "extract", "moved", *PIXELS)
    after = table(cli)
    assert len(after) == 24 and all(before[d] == after[d] for d in before.keys() & after.keys())


def test_a_split_goes_to_another_cache_as_a_table(cli: Cli, photos: Path) -> None:
    run(cli, "extract", photos, *PIXELS)
    exported = run(cli, "split", "export", "s.parquet", "--split-seed", "5")
    run(cli, "extract", photos, *PIXELS, "--cache", "other")
    taken = run(cli, "split", "import", "s.parquet", "--cache", "other")
    assert taken["n_taken"] == 24 and taken["split"]["digest"] == exported["split"]["digest"]
    fitted = run(cli, "fit", "--head", "centroid", "--cache", "other")
    assert fitted["split"]["digest"] == exported["split"]["digest"]
    shown = cli("split", "import", "s.parquet", "--cache", "other").stdout
    assert "24 rows of photos" in shown and f"split {exported['split']['digest'][:12]}" in shown


def test_results_and_models_name_digest_and_seed_of_the_split(cli: Cli, photos: Path) -> None:
    run(cli, "extract", photos, *PIXELS)
    fitted = run(cli, "fit", "--head", "centroid", "--split-seed", "3")
    assert fitted["split"]["seed"] == 3
    info = run(cli, "model", "info", "model.featx")["split"]
    assert info == fitted["split"] and len(info["digest"]) == 64
    swept = run(cli, "sweep", "--heads", "centroid", "--split-seed", "3")
    assert swept["split"] == info
    assert (
        f"split {info['digest'][:12]}, seed 3"
        in cli("fit", "--head", "centroid", "--split-seed", "3").stdout
    )
    assert run(cli, "fit", "--head", "centroid", "--seed", "3")["split"] == info


def test_fit_says_when_the_replaced_model_had_another_split(cli: Cli, photos: Path) -> None:
    run(cli, "extract", photos, *PIXELS)
    assert "another split" not in cli("fit", "--head", "centroid").stderr
    same = cli("fit", "--head", "ridge")
    assert "another split" not in same.stderr
    for command in (["fit", "--head", "ridge"], ["sweep", "--heads", "centroid"]):
        other = cli(*command, "--split-seed", "8")
        assert "made with another split (seed 0, now 8)" in " ".join(other.stderr.split())
        data = run(cli, *command)
        assert any("made with another split (seed 8, now 0)" in note for note in data["notes"])
    shutil.copy(Path(__file__).parents[2] / "data" / "model-v1.featx", "model.featx")
    old = cli("fit", "--head", "ridge", "--overwrite")
    assert "is not known: the file is of an earlier featx" in " ".join(old.stderr.split())


@pytest.mark.parametrize(
    "making", [["fit", "--head", "ridge"], ["sweep", "--heads", "ridge", "--cv", "3"]]
)
def test_last_months_model_is_made_again(cli: Cli, photos: Path, making: list[str]) -> None:
    run(cli, "extract", photos, *PIXELS)
    run(cli, *making, "--out", "old.featx")
    (photos / "blue" / "00.png").rename(photos / "red" / "corrected.png")
    (photos / "green" / "01.jpg").unlink()
    (photos / "red").rename(photos / "crimson")
    run(cli, "extract", photos, *PIXELS)
    assert load_model("old.featx").class_names == ("blue", "green", "red")
    made = run(cli, "fit", "--like", "old.featx", "--out", "new.featx")
    old, new = load_model("old.featx"), load_model("new.featx")
    assert new.data_digest == old.data_digest and new.class_names == old.class_names
    assert made["split"]["test"] == old.split["test"]
    if making[0] == "fit":
        assert model_digest(new) == model_digest(old) and new.split == old.split
    assert run(cli, "cache", "verify")["findings"] == []


def test_what_like_cannot_do_is_said(cli: Cli, photos: Path) -> None:
    run(cli, "extract", photos, *PIXELS)
    run(cli, "fit", "--head", "centroid")
    refused = cli("fit", "--like", "model.featx", "--head", "svm", "--C", "3")
    assert refused.exit_code == 1 and "leave --head, --C away" in " ".join(refused.stderr.split())
    run(cli, "extract", photos, *PIXELS, "--cache", "other")
    elsewhere = cli("fit", "--like", "model.featx", "--cache", "other")
    assert elsewhere.exit_code == 1 and "does not keep the labels" in elsewhere.stderr
    v1 = Path(__file__).parents[2] / "data" / "model-v1.featx"
    old = cli("fit", "--like", v1)
    assert old.exit_code == 1 and "does not keep the labels" in old.stderr
    (photos / "green" / "01.jpg").unlink()
    run(cli, "extract", photos, *PIXELS)
    run(cli, "cache", "gc", "--yes")
    gone = cli("fit", "--like", "model.featx")
    assert gone.exit_code == 1
    assert "1 of the model's 24 images have no features" in " ".join(gone.stderr.split())


def test_merged_caches_keep_their_splits(cli: Cli, photos: Path) -> None:
    run(cli, "extract", photos, *PIXELS)
    run(cli, "split", "export", "s.csv", "--split-seed", "5")
    run(cli, "split", "import", "s.csv")
    run(cli, "fit", "--head", "centroid")
    before = table(cli)
    run(cli, "extract", photos, *PIXELS, "--cache", "other")
    run(cli, "cache", "merge", "featx-cache", "--cache", "other")
    assert table(cli, "--cache", "other") == before
    assert run(cli, "fit", "--like", "model.featx", "--cache", "other")["n_train"]
