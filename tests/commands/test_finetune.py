"""featx finetune, from cached features to a scored and exported model."""

from __future__ import annotations

import csv
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from featx.cache import FeatureStore, ResultStore
from featx.cache.errors import ModelFileError
from featx.classifiers import load_model
from featx.extractor import Views
from tests_shared import Cli

LAYER = "block6d_add"


@pytest.fixture
def tuned(cli: Cli, photos: Path) -> dict[str, object]:
    extracted = cli("extract", photos, "--size", "32", "--precision", "float32")
    assert extracted.exit_code == 0, extracted.output
    words = ("--epochs", "2", "--lr", "0.01", "--tensorboard", "logs", "--name", "tuned")
    result = cli("finetune", "--from", LAYER, *words, "--json")
    assert result.exit_code == 0, result.output
    answer: dict[str, object] = json.loads(result.stdout)
    return answer


def test_finetuned_model_is_a_model_like_any_other(
    cli: Cli, photos: Path, tuned: dict[str, object]
) -> None:
    assert len(tuned["history"]["val_loss"]) == 2 and Path("logs/tuned/train").is_dir()
    model = load_model("finetuned.featx")
    assert model.tail is not None and model.spec.weights_digest == model.tail.digest
    assert model.head.layer == LAYER
    # The engine runs the whole network; training ran the tail on what is cached.
    features = FeatureStore("featx-cache").open_features()
    scored = cli("score", "finetuned.featx", photos, "--flag-unlike", "--out", "p.csv")
    assert scored.exit_code == 0 and "24" in scored.output
    assert "unlike the training images" in scored.stdout
    with Path("p.csv").open() as file:
        probability = {row["id"]: float(row["probability"]) for row in csv.DictReader(file)}
    assert len(probability) == 24
    own = model.predict_proba([photos / name for name in features.sample_ids], weights="imagenet")
    found = np.array([probability[name] for name in features.sample_ids])
    assert own.max(axis=1) == pytest.approx(found, abs=1e-4)
    ranked = cli("results", "--split", "val", "--json")
    (entry,) = json.loads(ranked.stdout)["boards"][0]["results"]
    kernels = 192 * 1152 + 9 * 1152 + 1152 * 320 + 320 * 1280
    assert entry["head"] == "finetune" and 0 < entry["n_trained"] - kernels < 10_000
    fitted = cli("fit")  # the outputs of the layer are not the newest features
    assert fitted.exit_code == 0 and features.name in fitted.output


def test_other_tails_than_the_spec_names_are_refused(
    cli: Cli, photos: Path, tuned: dict[str, object], tmp_path: Path
) -> None:
    with zipfile.ZipFile("finetuned.featx") as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    assert any(name.startswith("tail/") for name in members)
    document = json.loads(members["model.json"])
    document["tuned"]["base_digest"] = "0" * 64
    members["model.json"] = json.dumps(document).encode()
    with zipfile.ZipFile("other.featx", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(ModelFileError, match="fine-tuned layers are not those"):
        load_model("other.featx")


def test_other_heads_on_tuned_features_take_the_tuned_layers_along(
    cli: Cli, photos: Path, tuned: dict[str, object], featx_home: Path
) -> None:
    tuned_model = load_model("finetuned.featx")
    extracted = cli("extract", photos, "--backbone", "finetuned.featx", "--name", "tuned")
    assert extracted.exit_code == 0, extracted.output
    digest, store = tuned_model.spec.weights_digest, FeatureStore("featx-cache")
    (own,) = (one for one in store.list_features() if one.spec.weights_digest == digest)
    assert own.spec.image_size == (32, 32)
    paths = [photos / name for name in store.open_features("tuned").sample_ids]
    of_head = tuned_model.head.predict_proba(store.open_features("tuned").X[:])
    assert tuned_model.predict_proba(paths) == pytest.approx(of_head, abs=1e-3)
    (base,) = (one for one in store.list_features() if one.spec.pool == "avg" and one != own)
    layers = store.layout.tuned / f"{digest}.npz"
    assert layers.exists()
    shutil.rmtree(featx_home / "tuned")  # as on another machine, to which the cache has gone
    expected = {}
    both = f"tuned+{base.name}"
    ways = [("fit", "tuned", "--head"), ("fit", both, "--head"), ("sweep", both, "--heads")]
    for number, (command, name, option) in enumerate(ways):
        result = cli(command, name, option, "ridge", "--out", f"{number}.featx")
        assert result.exit_code == 0, result.output
        model = load_model(f"{number}.featx")
        assert model.tail is not None and model.tail.digest == digest
        expected[number] = model.predict_proba(store.open_features(name))
    again = cli("finetune", "tuned", "--from", LAYER)
    assert again.exit_code == 1 and "fine-tuned already" in again.output
    plain = cli("fit", base.name, "--head", "ridge", "--out", "plain.featx")
    assert plain.exit_code == 0, plain.output
    for words, message in (
        (("finetuned.featx", "--weights", "random:1"), "leave --weights out"),
        (("plain.featx",), "was not fine-tuned"),
        (("nowhere.featx",), "`featx finetune` has written"),
    ):
        refused = cli("extract", photos, "--backbone", *words)
        assert refused.exit_code == 1 and message in refused.output
    assert cli("cache", "merge", "featx-cache", "--cache", "other").exit_code == 0
    assert cli("cache", "verify", "--cache", "other").exit_code == 0
    assert (FeatureStore("other").layout.tuned / layers.name).read_bytes() == layers.read_bytes()
    assert cli("cache", "rm", "tuned", "--yes").exit_code == 0
    assert not layers.exists()
    shutil.rmtree(featx_home / "tuned", ignore_errors=True)
    for number, probabilities in expected.items():
        model = load_model(f"{number}.featx")
        assert model.predict_proba(paths) == pytest.approx(probabilities, abs=1e-4)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--from", "block6d_ad"], "block6d_add"),
        (["--from", "block6d_expand_conv"], "all data goes through"),
        (["--from", LAYER, "--lr", "-1"], "lr"),
        (["--from", LAYER, "--mixup", "nan"], "mixup"),
        (["--from", LAYER, "--source", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_trained_is_said(
    cli: Cli, photos: Path, words: list[str], message: str
) -> None:
    cli("extract", photos, "--size", "32", "--precision", "float32")
    result = cli("finetune", *words)
    assert result.exit_code == 1 and message in result.output
    assert not Path("finetuned.featx").exists()


def test_images_that_were_moved_are_found_and_lost_ones_named(cli: Cli, photos: Path) -> None:
    cli("extract", photos, "--size", "32", "--precision", "float32")
    moved = photos.rename(photos.with_name("moved"))
    gone = cli("finetune", "--from", LAYER, "--epochs", "0")
    assert gone.exit_code == 1 and "--source" in gone.output
    found = cli("finetune", "--from", LAYER, "--epochs", "0", "--source", moved)
    assert found.exit_code == 0, found.output
    for path in sorted(moved.rglob("*.png"))[:2]:
        path.unlink()
    fewer = cli("finetune", "--from", "block5c_add", "--epochs", "0", "--source", moved)
    assert fewer.exit_code == 1 and "2 of the 24 images" in fewer.output


def test_views_are_cached_as_well_and_drawn_from_in_each_epoch(cli: Cli, photos: Path) -> None:
    cli("extract", photos, "--size", "32", "--precision", "float32")
    words = ("finetune", "--from", LAYER, "--lr", "0.01", "--keep-state")
    drawn = ("--views", "3", "--view-ops", "crop,brightness", "--views-seed", "4")
    refused = cli(*words, "--view-ops", "crop")
    assert refused.exit_code == 1 and "--view-ops belongs to --views" in refused.stderr
    result = cli(*words, *drawn, "--epochs", "1")
    assert result.exit_code == 0, result.output
    assert "24 images in 3 views take" in result.stderr
    views = {"n": 3, "ops": "crop,brightness", "seed": 4}
    assert "learned from 3 views (crop,brightness; seed 4) of each" in result.stdout
    assert load_model("finetuned.featx").origin["views"] == views
    stored = FeatureStore("featx-cache").list_features()
    maps = [one for one in stored if one.spec.layer == LAYER]
    assert sorted(one.spec.view for one in maps) == [0, 1, 2]
    assert all(one.record.n_extracted == 24 for one in maps)
    more = cli(*words, *drawn, "--epochs", "2", "--memory", "10KB")  # less than the maps take
    assert more.exit_code == 0 and "going on after epoch 1 of 2" in more.stderr
    other = cli(*words, "--epochs", "2")
    assert other.exit_code == 0 and "going on" not in other.stderr
    assert "learned from" not in other.stdout
    results = ResultStore(FeatureStore("featx-cache").layout).read()
    assert {result.views.get("n", 1) for result in results} == {1, 3}


def test_a_finetuned_model_scores_over_views(
    cli: Cli, photos: Path, tuned: dict[str, object]
) -> None:
    scored = cli("score", "finetuned.featx", photos, "--out", "p.csv", "--tta", "3")
    assert scored.exit_code == 0, scored.output
    with Path("p.csv").open() as file:
        found = {row["id"]: float(row["probability"]) for row in csv.DictReader(file)}
    paths = [photos / name for name in found]
    model = load_model("finetuned.featx")
    proba = model.predict_proba(paths, views=Views(3))
    assert proba.max(axis=1) == pytest.approx(np.array([*found.values()]), abs=1e-4)
    assert np.abs(proba - model.predict_proba(paths)).max() > 1e-3
    words = ("evaluate", "finetuned.featx", photos, "--split", "val", "--tta", "3", "--json")
    evaluated = cli(*words)
    assert evaluated.exit_code == 0, evaluated.output
    assert json.loads(evaluated.stdout)["n_views"] == 3
