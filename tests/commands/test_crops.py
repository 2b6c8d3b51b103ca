"""Crops on the command line: extracted, fitted, scored, shown."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featx.cache import FeatureStore
from featx.classifiers.selection.splitting.splits import split_features
from featx.extractor.sources.crop import Crop
from featx.extractor.sources.snapshot_images import open_images
from tests_shared import Cli

CROPS = ("--crop-columns", "x,y,w,h")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Thirty pictures, each red on the left and blue on the right, with a box for each half."""
    rows = ["path,label,x,y,w,h"]
    for number in range(30):
        pixels = np.random.default_rng(number).integers(0, 60, (20, 40, 3), np.uint8)
        pixels[:, :20, 0] += 150
        pixels[:, 20:, 2] += 150
        Image.fromarray(pixels).save(tmp_path / f"{number:02d}.png")
        rows += [f"{number:02d}.png,red,0,0,20,20", f"{number:02d}.png,blue,20,0,20,20"]
    (tmp_path / "boxes.csv").write_text("\n".join([*rows, "00.png,red,99,0,9,9"]))
    return tmp_path / "boxes.csv"


def test_crops_from_extraction_to_predictions(cli: Cli, table: Path) -> None:
    refused = cli("extract", table, "--backbone", "pixels")
    assert refused.exit_code == 1 and "--crop-columns x,y,w,h" in refused.stderr
    done = cli("extract", table, "--backbone", "pixels", "--size", 32, *CROPS, "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["n_extracted"], report["n_bad"]) == (60, 1)
    assert report["bad"][0]["sample_id"] == "00.png#xywh=99,0,9,9"
    features = FeatureStore("featx-cache").open_features()
    split = split_features(features)
    images = [sample_id.partition("#")[0] for sample_id in features.sample_ids]
    sides = [{images[row] for row in rows} for rows in (split.train, split.val, split.test)]
    assert all(sides) and not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    assert cli("fit", "--head", "centroid").exit_code == 0
    again = cli("extract", table, "--backbone", "pixels", "--size", 32, *CROPS, "--json")
    assert json.loads(again.stdout)["n_extracted"] == 0
    scored = cli("score", "model.featx", table, *CROPS, "-o", "p.csv")
    assert scored.exit_code == 0, scored.stderr
    with Path("p.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    answers = {row["id"]: row["predicted"] for row in rows if row["status"] == "ok"}
    assert len(answers) == 60 and answers["07.png#xywh=20,0,20,20"] == "blue"
    assert answers["07.png#xywh=0,0,20,20"] == "red"
    assert cli("evaluate", "model.featx", table, *CROPS).exit_code == 0
    crop = open_images(features.manifest).read(int(features.kept[1]))
    assert isinstance(crop, Crop) and str(crop.box) == "#xywh=20,0,20,20"
    assert crop.image == (table.parent / "00.png").read_bytes()
