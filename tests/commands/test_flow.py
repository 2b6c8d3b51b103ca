"""The whole way, on real files, through the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from featx.cache import FeatureStore
from tests_shared import CHEAP, Cli


def extracted(cli: Cli, photos: Path, *more: object) -> dict:
    result = cli("extract", photos, *CHEAP, *more, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_extract_fit_score(cli: Cli, photos: Path) -> None:
    first = extracted(cli, photos)
    assert (first["n_samples"], first["n_extracted"], first["n_bad"]) == (24, 24, 0)
    second = extracted(cli, photos)
    assert (second["n_extracted"], second["n_cached"]) == (0, 24)
    fitted = cli("fit", "--head", "centroid")
    assert fitted.exit_code == 0, fitted.output
    assert "accuracy" in fitted.stdout and "model.featx" in fitted.stdout
    (photos / "red" / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    scored = cli("score", "model.featx", photos, "--out", "p.parquet", "--weights", "random:0")
    assert scored.exit_code == 0, scored.output
    rows = pq.read_table("p.parquet").to_pylist()
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    assert len(rows) == 25
    bad = [row for row in rows if row["status"] == "error"]
    assert [row["id"] for row in bad] == ["red/broken.jpg"]
    assert bad[0]["predicted"] is None and "begins with" in bad[0]["reason"]
    good = [row for row in rows if row["status"] == "ok"]
    right = sum(row["predicted"] == row["id"].split("/")[0] for row in good)
    assert right >= 22
    assert all(0 < row["probability"] <= 1 for row in good)


def test_score_writes_the_same_rows_in_every_format(cli: Cli, photos: Path) -> None:
    extracted(cli, photos)
    assert cli("fit", "--head", "centroid").exit_code == 0
    for name in ("p.parquet", "p.csv", "p.jsonl"):
        result = cli("score", "model.featx", photos, "-o", name, "--weights", "random:0")
        assert result.exit_code == 0, result.output
    parquet = [(r["id"], r["predicted"]) for r in pq.read_table("p.parquet").to_pylist()]
    with Path("p.csv").open(newline="") as file:
        as_csv = [(r["id"], r["predicted"]) for r in csv.DictReader(file)]
    lines = Path("p.jsonl").read_text(encoding="utf-8").splitlines()
    as_jsonl = [(r["id"], r["predicted"]) for r in map(json.loads, lines)]
    assert parquet == as_csv == as_jsonl and len(parquet) == 24


def test_sweep_ranks_heads_and_writes_the_winner(cli: Cli, photos: Path) -> None:
    extracted(cli, photos)
    result = cli("sweep", "--heads", "centroid,ridge", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    board = [c["measured"]["scores"]["metrics"]["accuracy"] for c in report["leaderboard"]]
    assert board == sorted(board, reverse=True) and len(board) >= 2
    assert report["test"]["split"] == "test" and Path("model.featx").exists()
    again = cli("sweep", "--heads", "centroid,ridge")
    assert "The winner on test" in again.stdout


def test_unreadable_images_are_reported_and_the_run_goes_on(cli: Cli, photos: Path) -> None:
    (photos / "red" / "empty.png").write_bytes(b"")
    report = extracted(cli, photos)
    assert report["n_extracted"] == 24 and report["n_bad"] == 1
    assert report["bad"][0]["sample_id"] == "red/empty.png"
    result = cli("extract", photos, *CHEAP)
    assert "1 unreadable" in result.stdout and "the file is empty" in result.stdout
    Image.new("RGB", (9, 9)).save(photos / "red" / "empty.png")
    assert extracted(cli, photos)["n_bad"] == 0


def test_max_bad_saves_everything_and_exits_with_3(cli: Cli, photos: Path) -> None:
    (photos / "red" / "empty.png").write_bytes(b"")
    result = cli("extract", photos, *CHEAP, "--max-bad", "1%")
    assert result.exit_code == 3
    assert "1 of 25" in result.stderr
    assert extracted(cli, photos)["n_cached"] == 24


def test_changed_renamed_and_duplicated_images(cli: Cli, photos: Path) -> None:
    extracted(cli, photos)
    (photos / "red" / "00.png").rename(photos / "red" / "renamed.png")
    data = (photos / "blue" / "00.png").read_bytes()
    (photos / "green" / "copy.png").write_bytes(data)
    report = extracted(cli, photos)
    assert (report["n_extracted"], report["n_samples"]) == (0, 25)
    Image.new("RGB", (9, 9), (1, 2, 3)).save(photos / "red" / "renamed.png")
    assert extracted(cli, photos)["n_extracted"] == 1


def test_options_of_heads_reach_the_head(cli: Cli, photos: Path) -> None:
    extracted(cli, photos)
    words = ("--hidden", "8,4", "--dropout", "0.2", "--lr", "0.01", "--epochs", "3", "--seed", "7")
    result = cli("fit", "--head", "dense", *words, "--patience", "2", "--json")
    assert result.exit_code == 0, result.output
    params = json.loads(result.stdout)["scores"][0]["params"]
    expected = {"hidden": [8, 4], "dropout": 0.2, "lr": 0.01, "epochs": 3, "patience": 2}
    assert {name: params[name] for name in expected} == expected and params["random_state"] == 7
    wrong = cli("fit", "--head", "centroid", "--C", "1")
    assert wrong.exit_code == 1 and "'C' is no parameter of centroid" in wrong.stderr
    assert cli("fit", "--head", "dense", "--hidden", "a").exit_code == 1


def test_sweep_says_that_it_keeps_no_results(cli: Cli, photos: Path) -> None:
    extracted(cli, photos)
    Path("featx-cache/results").write_text("a file where the folder of results would be")
    result = cli("sweep", "--heads", "centroid")
    assert result.exit_code == 0, result.output
    assert result.output.count("A repeated sweep will measure anew") == 1


def test_sweep_takes_folds_a_grid_and_a_table(cli: Cli, photos: Path) -> None:
    extracted(cli, photos)
    Path("grid.toml").write_text("[ridge]\nalpha = [1.0, 10.0]\n")
    result = cli("sweep", "--grid", "grid.toml", "--cv", "3", "--csv", "board.csv")
    assert result.exit_code == 0, result.output
    assert "over 3 folds" in result.stdout
    with Path("board.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["head"] for row in rows] == ["ridge", "ridge"]
    assert float(rows[0]["accuracy"]) >= float(rows[1]["accuracy"])
    again = cli("sweep", "--grid", "grid.toml", "--cv", "3")
    assert "2 of them measured before" in again.stdout
    both = cli("sweep", "--grid", "grid.toml", "--heads", "ridge")
    assert both.exit_code == 1 and "one of them" in both.stderr


def test_compressed_rows_are_the_same_rows(cli: Cli, photos: Path) -> None:
    plain = extracted(cli, photos, "--cache", "plain")
    packed = extracted(cli, photos, "--cache", "packed", "--compression", "gzip")
    assert plain["fingerprint"] == packed["fingerprint"]
    X = [FeatureStore(root).open_features().X[:] for root in ("plain", "packed")]
    assert np.array_equal(*X)
    wrong = cli("extract", photos, *CHEAP, "--compression", "zip")
    assert wrong.exit_code == 1 and "gzip" in wrong.stderr


def test_fit_takes_the_memory_that_training_may_use(cli: Cli, photos: Path) -> None:
    extracted(cli, photos)
    assert cli("fit", "--head", "centroid", "--memory", "2GB").exit_code == 0
    for memory, hint in (("1kB", "too little"), ("much", "300MB, 2GB")):
        result = cli("fit", "--memory", memory)
        assert result.exit_code == 1 and hint in " ".join(result.stderr.split())


def test_outputs_replace_no_file_of_the_user(cli: Cli, photos: Path) -> None:
    extracted(cli, photos)
    picture = photos / "red" / "00.png"
    content = picture.read_bytes()
    for words in (
        ("fit", "--head", "centroid", "--out", picture),
        ("sweep", "--heads", "centroid", "--out", picture),
        ("sweep", "--heads", "centroid", "--csv", picture),
    ):
        result = cli(*words)
        assert result.exit_code == 1 and "--overwrite" in result.stderr, result.output
        assert picture.read_bytes() == content and not Path("model.featx").exists()
    assert "holds blue" in cli("sample", photos).stderr
    for name in ("f.h5", "f.npz", "f.parquet"):
        for _ in range(2):
            assert cli("cache", "export", name).exit_code == 0
        Path(name).write_bytes(b"mine")
        assert cli("cache", "export", name).exit_code == 1
        assert Path(name).read_bytes() == b"mine"
        assert cli("cache", "export", name, "--overwrite").exit_code == 0
    for _ in range(2):
        assert cli("sweep", "--heads", "centroid", "--csv", "board.csv").exit_code == 0
    Path("board.csv").write_text("name,features\n")
    assert cli("sweep", "--heads", "centroid", "--csv", "board.csv").exit_code == 1
    assert cli("sweep", "--heads", "centroid", "--csv", "board.csv", "--overwrite").exit_code == 0
    assert "head,parameters" in Path("board.csv").read_text()
