"""featx score --tta, evaluate --tta: the mean of the probabilities over an image and its views."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

import featx
from featx.cache import SPLITS
from featx.cache.errors import ConfigError
from featx.classifiers import ScoreOptions, load_model, score_images
from featx.classifiers.models.model import Model
from featx.classifiers.scoring import predict_missing
from featx.extractor.images.encoded import EncodedImage
from featx.extractor.pipeline.stage import Stage
from tests_shared import Cli

PIXELS = ("--backbone", "pixels", "--precision", "float32", "--engine", "keras")
OWN = ("--size", "8", "--pool", "flatten")
KERAS = ("--engine", "keras")
DRAWN = ("--view-ops", "crop,brightness", "--views-seed", "4")


class Kill(BaseException):
    """Stands for a kill."""


@pytest.fixture
def model(cli: Cli, photos: Path) -> Path:
    ok(cli("extract", photos, *PIXELS, *OWN, "--name", "own"))
    ok(cli("fit", "--head", "ridge"))
    return Path("model.featx")


def ok(result: Any) -> Any:
    assert result.exit_code == 0, result.output
    return result


def probabilities(path: str) -> NDArray[np.float32]:
    table = pq.read_table(path)
    names = [name for name in table.column_names if name.startswith("p_")]
    return np.stack([table.column(name).to_numpy() for name in names], axis=1)


def mean_by_hand(model: Model, n_views: int) -> NDArray[np.float32]:
    """Return the mean over the cached features of the images and of their views."""
    store = featx.FeatureStore("featx-cache")
    features = store.open_features(model.origin["features"])
    views = featx.Views(n_views, "crop,brightness", 4)
    proba = []
    for specs in zip(*map(views.specs_of, model.spec.parts), strict=True):
        sets = [store.open_set(spec) for spec in specs]
        rows = [shards.take(shards.index.find(features.digests)) for shards in sets]
        proba.append(model.head.predict_proba(np.hstack(rows)))
    return np.mean(proba, axis=0).astype(np.float32)


def test_probabilities_are_the_mean_over_views(cli: Cli, model: Path, photos: Path) -> None:
    words = ("--probabilities", "--json", *KERAS)
    one = json.loads(ok(cli("score", model, photos, "-o", "one.parquet", *words)).stdout)
    assert one["n_views"] == 1
    views = ("--tta", "3", *DRAWN)
    three = json.loads(ok(cli("score", model, photos, "-o", "3.parquet", *views, *words)).stdout)
    assert three["n_views"] == 3 and three["n_samples"] == 24
    ok(cli("extract", photos, *PIXELS, *OWN, "--views", "3", *DRAWN))
    expected = mean_by_hand(load_model(model), 3)
    np.testing.assert_allclose(probabilities("3.parquet"), expected, atol=1e-6)
    assert np.abs(probabilities("one.parquet") - expected).max() > 1e-3
    cached = ok(cli("score", model, "features:own", "-o", "cached.parquet", *views, *words))
    assert json.loads(cached.stdout)["n_views"] == 3
    np.testing.assert_array_equal(probabilities("cached.parquet"), probabilities("3.parquet"))
    metadata = pq.read_schema("3.parquet").metadata
    assert metadata[b"featx.views"] == b"3 views (crop,brightness; seed 4)"
    assert b"featx.views" not in pq.read_schema("one.parquet").metadata
    shown = ok(cli("score", model, photos, "-o", "3.parquet", *views, *KERAS)).stdout
    assert "each by the mean over 3 views" in shown


def test_a_model_is_evaluated_by_the_mean_over_views(cli: Cli, model: Path, photos: Path) -> None:
    one = json.loads(ok(cli("evaluate", model, photos, "--split", "test", "--json")).stdout)
    words = ("evaluate", model, photos, "--split", "test", "--tta", "3", *DRAWN)
    three = json.loads(ok(cli(*words, "--json")).stdout)
    assert (one["n_views"], three["n_views"]) == (1, 3)
    loaded = load_model(model)
    features = featx.FeatureStore("featx-cache").open_features("own")
    assert loaded.rows is not None
    is_test = loaded.rows.find(features.digests) == SPLITS.index("test")
    proba = mean_by_hand(loaded, 3)[is_test]
    expected = -np.log(proba[np.arange(len(proba)), features.y[is_test]]).mean()
    assert three["measures"]["metrics"]["log_loss"] == pytest.approx(expected, rel=1e-5)
    assert one["measures"]["metrics"]["log_loss"] != pytest.approx(expected, rel=1e-3)
    cached = cli("evaluate", model, "features:own", *words[3:], "--json")
    assert json.loads(ok(cached).stdout)["measures"] == three["measures"]
    assert "each by the mean over 3 views" in ok(cli(*words)).stdout
    refused = cli("evaluate", model, photos, "--views-seed", "4")
    assert refused.exit_code == 1 and "--views-seed belongs to --tta: add that" in refused.stderr


def test_an_image_is_decoded_once_and_its_own_features_come_from_the_cache(
    cli: Cli, model: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    computed: list[int] = []
    rgb, submit = EncodedImage.rgb, Stage.submit
    monkeypatch.setattr(EncodedImage, "rgb", lambda s, g: decoded.append(1) or rgb(s, g))
    monkeypatch.setattr(Stage, "submit", lambda s, i: computed.append(len(i)) or submit(s, i))
    monkeypatch.setattr("featx.classifiers.scoring.api.contradiction", lambda *_: "")
    monkeypatch.setattr("featx.cache.manifest.RACY_NS", 0)
    monkeypatch.setattr("featx.classifiers.scoring.api._engine_drift", lambda *_: None)
    words = ("score", model, photos, "--tta", "3", *KERAS, "--write-cache", "--json")
    ok(cli(*words, "-o", "a.csv"))
    assert len(decoded) == 24 and sum(computed) == 2 * 24
    again = json.loads(ok(cli(*words, "-o", "b.csv")).stdout)
    assert again["n_cached"] == 24 and len(decoded) == 24 and sum(computed) == 2 * 24
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes()


def test_joined_features_have_their_views_side_by_side(cli: Cli, photos: Path) -> None:
    both = (("own", 8, "flatten"), ("mean", 16, "avg"))
    for name, size, pool in both:
        words = ("--size", size, "--pool", pool, "--views", "3", *DRAWN, "--name", name)
        ok(cli("extract", photos, *PIXELS, *words))
    ok(cli("fit", "own+mean", "--head", "ridge"))
    words = ("--tta", "3", *DRAWN, "--probabilities")
    ok(cli("score", "model.featx", photos, "-o", "a.parquet", "--cache", "new", *words, *KERAS))
    ok(cli("score", "model.featx", "features:own+mean", "-o", "b.parquet", *words))
    expected = mean_by_hand(load_model("model.featx"), 3)
    np.testing.assert_allclose(probabilities("a.parquet"), expected, atol=1e-6)
    np.testing.assert_array_equal(probabilities("a.parquet"), probabilities("b.parquet"))


def test_views_that_the_cache_lacks_are_named_with_what_to_type(
    cli: Cli, model: Path, photos: Path
) -> None:
    words = ("score", model, "features:own", "-o", "p.csv", "--tta", "4")
    refused = cli(*words, "--view-ops", "flip")
    assert refused.exit_code == 1 and not Path("p.csv").exists()
    assert "does not have 4 views of the images of" in refused.stderr
    assert "--pool flatten --size 8 --views 4 --view-ops flip` computes" in refused.stderr
    ok(cli("extract", photos, *PIXELS, *OWN, "--views", "4", "--view-ops", "flip"))
    (photos / "red" / "new.png").write_bytes(next(photos.rglob("*.png")).read_bytes() + b"0")
    ok(cli("extract", photos, *PIXELS, *OWN))
    refused = cli(*words, "--view-ops", "flip")
    assert refused.exit_code == 1
    assert "1 of 25 images of" in refused.stderr and "have no view 1" in refused.stderr
    typed = cli("score", model, photos, "--view-ops", "flip")
    assert typed.exit_code == 1 and "--view-ops belongs to --tta: add that" in typed.stderr


def test_parts_over_other_views_are_not_joined(cli: Cli, model: Path, photos: Path) -> None:
    words = ("score", model, photos, "-o", "parts", "--probabilities", *KERAS)
    ok(cli(*words, "--shard", "1/2", "--tta", "2"))
    ok(cli(*words, "--shard", "2/2", "--tta", "2"))
    refused = cli(*words, "--join")
    assert refused.exit_code == 1
    assert "was predicted over 2 views (crop,flip,rotation,brightness; seed 0)" in refused.stderr
    joined = json.loads(ok(cli(*words, "--join", "--tta", "2", "--json")).stdout)
    assert joined["n_views"] == 2
    ok(cli("score", model, photos, "-o", "whole.parquet", *words[5:], "--tta", "2"))
    parts = probabilities("parts/part-00000.parquet")
    np.testing.assert_allclose(parts, probabilities("whole.parquet"), atol=1e-6)


def test_a_killed_run_goes_on_over_the_same_views_only(
    cli: Cli, model: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ScoreOptions(views=featx.Views(2))
    run = featx.RunOptions(engine="keras", batch_size=4)

    def stop(*_: object) -> None:
        raise Kill

    with monkeypatch.context() as patch:
        patch.setattr(predict_missing, "SAVE_SECONDS", 0)
        patch.setattr("featx.classifiers.scoring.score.write_tables", stop)
        with pytest.raises(Kill):
            score_images(model, photos, "p.csv", ScoreOptions(views=options.views, run=run))
    other = ScoreOptions(views=featx.Views(2, seed=1), run=run)
    assert score_images(model, photos, "q.csv", other).n_resumed == 0
    work = Path("p.csv.parts")
    copy = Path("r.csv.parts")
    copy.mkdir()
    for file in work.glob("*.arrow"):
        (copy / file.name).write_bytes(file.read_bytes())
    assert score_images(model, photos, "r.csv", other).n_resumed == 0
    same = ScoreOptions(views=options.views, run=run)
    assert score_images(model, photos, "p.csv", same).n_resumed == 24
    ok(cli("score", model, photos, "-o", "whole.csv", "--tta", "2", *KERAS))
    assert Path("p.csv").read_bytes() == Path("whole.csv").read_bytes()


def test_models_predict_images_over_views(cli: Cli, model: Path, photos: Path) -> None:
    loaded, views = load_model(model), featx.Views(3, "crop,brightness", 4)
    paths = [photos / name for name in featx.open_features("own").sample_ids]
    proba = loaded.predict_proba(paths, views=views)
    ok(cli("extract", photos, *PIXELS, *OWN, "--views", "3", *DRAWN))
    np.testing.assert_allclose(proba, mean_by_hand(loaded, 3), atol=1e-5)
    assert loaded.predict(paths, views=views).shape == (24,)
    features = featx.open_features("own")
    for given in (features, features.to_numpy()):
        with pytest.raises(ConfigError, match="give images"):
            loaded.predict_proba(given, views=views)


def test_what_is_unlike_is_judged_by_the_image_itself(cli: Cli, model: Path, photos: Path) -> None:
    def flags(*words: str) -> list[str]:
        ok(cli("score", model, photos, "-o", "p.csv", "--flag-unlike", *KERAS, *words))
        with Path("p.csv").open(newline="") as file:
            return [row["unlike"] for row in csv.DictReader(file)]

    assert flags("--unlike-rate", "20%") == flags("--unlike-rate", "20%", "--tta", "3")
