"""Writing a log for the projector."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from featx.cache import FeatureStore
from featx.cache.errors import ConfigError, FeatureMismatchError, SourceError
from featx.classifiers.comparison.projector.log_writer import ProjectOptions
from featx.classifiers.comparison.projector.project import project_features
from featx.classifiers.selection.splitting.splits import split_features


def lines(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text("utf-8").splitlines()]


def test_sets_of_one_source_show_the_same_rows_and_share_the_sprite(log: SimpleNamespace) -> None:
    large, small = (one["features"].split("@") for one in log.report["projected"])
    folder = log.logdir / "featx" / large[0]
    tables = [lines(folder / one[1] / "metadata.tsv") for one in (large, small)]
    assert [row[:3] for row in tables[0]] == [row[:3] for row in tables[1]]
    assert tables[0][0][3:] == ["predicted", "probability", "outcome"] and len(tables[1][0]) == 3
    assert [one["model"] != "" for one in log.report["projected"]] == [True, False]
    assert [path.name for path in folder.glob("*.jpg")] == ["sprite.jpg"]
    sprite = np.asarray(Image.open(folder / "sprite.jpg")).astype(int)
    assert sprite.shape == (5 * 24, 5 * 24, 3)
    labels = [row[0] for row in tables[0][1:]]
    for number, label in enumerate(labels):
        row, column = divmod(number, 5)
        cell = sprite[row * 24 : row * 24 + 24, column * 24 : column * 24 + 24].mean(axis=(0, 1))
        brightest = {"blue": 2, "green": 1}.get(label, 0)
        assert cell.argmax() == brightest, label


def test_the_splits_are_those_that_training_used(log: SimpleNamespace) -> None:
    table = next(log.logdir.glob("featx/*/*/metadata.tsv"))
    splits = [row[2] for row in lines(table)[1:]]
    features = FeatureStore(log.root / "cache").open_features(log.small)
    split = split_features(features)
    parts = {"train": split.train, "val": split.val, "test": split.test}
    for name, rows in parts.items():
        assert [number for number, text in enumerate(splits) if text == name] == rows.tolist()


def test_of_many_points_a_stratified_sample_is_written_and_said(
    log: SimpleNamespace, tmp_path: Path
) -> None:
    report = project_features(
        [log.small], tmp_path, options=ProjectOptions(max_points=9), cache=log.root / "cache"
    )
    labels = [row[0] for row in lines(next(tmp_path.glob("featx/*/*/metadata.tsv")))[1:]]
    assert sorted(map(labels.count, set(labels))) == [3, 3, 3]
    assert "9 of 24 images" in report.notes[0] and "stratified" in report.notes[0]
    assert (report.projected[0].n_points, report.projected[0].n_samples) == (9, 24)


def test_images_that_are_gone_cost_the_thumbnails_only(
    log: SimpleNamespace, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(log.photos, moved)
    (moved / "blue" / "00.png").unlink()
    cache, away = log.root / "cache", log.photos.with_name("away")
    log.photos.rename(away)
    try:
        report = project_features([log.small], tmp_path / "a", cache=cache)
        named = ProjectOptions(source=str(moved))
        found = project_features([log.small], tmp_path / "b", options=named, cache=cache)
        nowhere = ProjectOptions(source=str(tmp_path / "nowhere"))
        with pytest.raises(SourceError):
            project_features([log.small], tmp_path / "c", options=nowhere, cache=cache)
    finally:
        away.rename(log.photos)
    assert report.projected[0].thumbnail_side == 0 and "--source" in report.notes[0]
    assert not list((tmp_path / "a").rglob("*.jpg"))
    assert "sprite" not in (tmp_path / "a" / "projector_config.pbtxt").read_text()
    assert "1 thumbnails are grey" in found.notes[0] and "blue/00.png" in found.notes[0]
    assert list((tmp_path / "b").rglob("*.jpg"))
    assert not (tmp_path / "c" / "projector_config.pbtxt").exists()


def test_a_configuration_of_another_program_stays(log: SimpleNamespace, tmp_path: Path) -> None:
    config, cache = tmp_path / "projector_config.pbtxt", log.root / "cache"
    config.write_text("embeddings {}\n")
    with pytest.raises(ConfigError, match="--overwrite"):
        project_features([log.small], tmp_path, cache=cache)
    assert config.read_text() == "embeddings {}\n"
    for options in (ProjectOptions(overwrite=True, thumbnail_side=0), ProjectOptions()):
        project_features([log.small], tmp_path, options=options, cache=cache)
    assert "sprite" in config.read_text()
    with pytest.raises(ConfigError, match="is a file"):
        project_features([log.small], config, cache=cache)


def test_a_model_for_other_features_is_refused(log: SimpleNamespace, tmp_path: Path) -> None:
    model = log.root / "model.featx"
    with pytest.raises(FeatureMismatchError, match=r"model\.featx.*image_size"):
        project_features([log.small], tmp_path, models=[model], cache=log.root / "cache")


@pytest.mark.parametrize(
    "options", [{"max_points": 0}, {"max_points": 100_001}, {"thumbnail_side": -1}]
)
def test_options_out_of_range_are_refused(options: dict) -> None:
    with pytest.raises(ConfigError, match="got"):
        ProjectOptions(**options)
