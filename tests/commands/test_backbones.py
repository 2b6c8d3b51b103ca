"""featx backbones: the list, a model in files, and names for it."""

from __future__ import annotations

import json
import shutil

import pytest
from graphs_shared import FOLDER, NAMES

from featx.extractor.backbones import BACKBONES


def test_the_list_says_what_is_named(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("FEATX_HOME", str(tmp_path / "home"))
    assert cli("backbones", "--add", "mine", FOLDER / "vit").exit_code == 0
    assert cli("backbones", "--add", "ours", FOLDER / "clip", "--machine").exit_code == 0
    shown = cli("backbones")
    assert f"mine: {FOLDER / 'vit'}" in shown.stdout and f"ours: {FOLDER / 'clip'}" in shown.stdout
    rows = json.loads(cli("backbones", "--json").stdout)
    assert [row["name"] for row in rows] == [*BACKBONES, "ours", "mine"]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_in_files_is_described(cli, name):
    data = json.loads(cli("backbones", FOLDER / name, "--json").stdout)
    assert list(data["inputs"]) == ["pixel_values"] and not data["missing"]
    assert data["image_size"] == [32, 32] and data["n_params"] > 5000 and data["gmacs"] > 0
    assert data["n_features"] == (16 if name == "clip" else 32)
    origin = "config.json" if name.startswith("timm") else "preprocessor_config.json"
    assert data["origin"].rpartition("/")[2] == origin
    shown = cli("backbones", FOLDER / name).stdout
    assert "input pixel_values" in shown and "parameters" in shown


def test_what_is_missing_is_said(cli, tmp_path):
    shutil.copy(FOLDER / "vit" / "model.onnx", tmp_path / "net.onnx")
    shown = cli("backbones", "net.onnx").stdout
    assert "missing: how does net.onnx want its pixels?" in shown
    assert "missing" not in cli("backbones", "net.onnx", "--preprocess", "imagenet").stdout


def test_a_keras_file_is_described(cli, tmp_path):
    import keras

    image = keras.Input((8, 8, 3))
    keras.Model(image, keras.layers.Conv2D(2, 3, name="last")(image)).save(tmp_path / "net.keras")
    data = json.loads(cli("backbones", "net.keras", "--json").stdout)
    assert data["n_params"] == 56 and data["last_values"][-1] == "last" and data["missing"]
    assert data["gmacs"] == 6 * 6 * 2 * 3 * 3 * 3 / 1e9
    assert "GMACs: 1.94e-06" in cli("backbones", "net.keras").stdout


def test_a_name_of_the_project_is_a_backbone(cli, tmp_path, photos):
    (tmp_path / "featx.toml").write_text('cache = "there"\n[backbones]\nold = "x"\n[extract]\n')
    shutil.copytree(FOLDER / "siglip", tmp_path / "nets" / "siglip")
    assert cli("backbones", "--add", "tower", "nets/siglip").exit_code == 0
    text = (tmp_path / "featx.toml").read_text()
    assert text == ('cache = "there"\n[backbones]\ntower = "nets/siglip"\nold = "x"\n[extract]\n')
    by_name = json.loads(cli("extract", photos, "--backbone", "tower", "--json").stdout)
    by_path = json.loads(cli("extract", photos, "--backbone", "nets/siglip", "--json").stdout)
    assert by_name["fingerprint"] == by_path["fingerprint"] and by_path["n_extracted"] == 0
    assert cli("doctor", photos, "--backbone", "tower").exit_code == 0


def test_a_name_keeps_its_preprocessing(cli, tmp_path, photos):
    shutil.copy(FOLDER / "regnet" / "model.onnx", tmp_path / "net.onnx")
    added = cli("backbones", "--add", "net", "net.onnx", "--preprocess", "imagenet")
    assert "Next: featx extract --backbone net" in added.stdout
    entry = 'net = { path = "net.onnx", preprocess = "imagenet" }'
    assert entry in (tmp_path / "featx.toml").read_text()
    assert cli("extract", photos, "--backbone", "net", "--size", "32").exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--add", "a b", FOLDER / "vit"), "letters, digits"),
        (("--add", "resnet50", FOLDER / "vit"), "Choose another one"),
        (("--add", "mine"), "needs the model"),
        (("--add", "mine", "nothing"), "no ONNX file"),
    ],
)
def test_names_that_cannot_be_kept(cli, words, message):
    result = cli("backbones", *words)
    assert result.exit_code == 1 and message in result.stderr


def test_an_entry_that_is_no_path_is_told(cli, tmp_path, photos):
    (tmp_path / "featx.toml").write_text("[backbones]\nmine = 3\n")
    result = cli("extract", photos, "--backbone", "mine")
    assert result.exit_code == 1 and "expected a path" in result.stderr
