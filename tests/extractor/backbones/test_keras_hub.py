"""Backbones of KerasHub, from presets and .keras files: equal to KerasHub's own forward pass."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from featx.cache import FeatureStore
from featx.cache.errors import ConfigError, WeightsMismatchError
from featx.extractor import FeatureOptions, RunOptions, extract_features
from featx.extractor.backbones.graphs import summarise
from featx.extractor.backbones.model_file import load_model
from featx.extractor.images.geometry import Geometry
from featx.extractor.plan import make_plan, plan_for

keras_hub = pytest.importorskip("keras_hub")
SIDE = 32
SCALE, OFFSET = [0.02, 0.018, 0.017], [-2.1, -2.0, -1.8]


@pytest.fixture(scope="module")
def presets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    root = tmp_path_factory.mktemp("presets")
    models = keras_hub.models
    backbones = {
        "resnet": models.ResNetBackbone(
            input_conv_filters=[64], input_conv_kernel_sizes=[3], stackwise_num_filters=[64],
            stackwise_num_blocks=[1], stackwise_num_strides=[1], block_type="basic_block",
        ),
        "vit": models.ViTBackbone(
            image_shape=(SIDE, SIDE, 3), patch_size=8, num_layers=1, num_heads=2, hidden_dim=16,
            mlp_dim=32,
        ),
    }  # fmt: skip
    converters = {
        "resnet": keras_hub.layers.ResNetImageConverter,
        "vit": keras_hub.layers.ViTImageConverter,
    }
    for name, backbone in backbones.items():
        backbone.save_to_preset(str(root / name))
        converter = converters[name](image_size=(SIDE, SIDE), scale=SCALE, offset=OFFSET)
        converter.save_to_preset(str(root / name))
    backbones["vit"].save(root / "vit.keras")
    return root, backbones


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    root = tmp_path_factory.mktemp("images")
    pixels = np.random.default_rng(0).integers(0, 256, (4, SIDE, SIDE, 3), np.uint8)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(root / f"{number}.png")
    return root, pixels


def features(tmp_path: Path, folder: Path, engine: str, **options: Any) -> np.ndarray:
    wanted = FeatureOptions(precision="float32", **options)
    report = extract_features(folder, wanted, cache=tmp_path / "c", run=RunOptions(engine=engine))
    X: np.ndarray = FeatureStore(tmp_path / "c").open_features(report.name).X[:]
    return X


def pooled(name: str, output: Any) -> np.ndarray:
    values = np.asarray(output)
    return values[:, 0] if name == "vit" else values.mean((1, 2))


@pytest.mark.parametrize("engine", ["keras", pytest.param("openvino", marks=pytest.mark.long)])
@pytest.mark.parametrize("name", ["resnet", "vit"])
def test_features_equal_those_of_keras_hub(presets, images, tmp_path, name, engine) -> None:
    root, backbones = presets
    converter = keras_hub.layers.ImageConverter.from_preset(str(root / name))
    expected = pooled(name, backbones[name](converter(images[1].astype(np.float32))))
    X = features(tmp_path, images[0], engine, backbone=str(root / name))
    np.testing.assert_allclose(X, expected, atol=1e-4 * np.abs(expected).max())


def test_a_keras_file_of_keras_hub(presets, images, tmp_path) -> None:
    root, backbones = presets
    path = str(root / "vit.keras")
    X = features(tmp_path, images[0], "keras", backbone=path, preprocess="unit")
    expected = pooled("vit", backbones["vit"](images[1].astype(np.float32) / 255))
    np.testing.assert_allclose(X, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("options", [
    {}, {"crop_to_aspect_ratio": False}, {"antialias": True},
    {"antialias": True, "interpolation": "bicubic"},
])  # fmt: skip
@pytest.mark.parametrize("shape", [(70, 101), (20, 25), (101, 40)])
def test_pixels_are_those_of_the_converter_in_8_bits(presets, tmp_path, options, shape) -> None:
    folder = tmp_path / "vit"
    shutil.copytree(presets[0] / "vit", folder)
    converter = keras_hub.layers.ViTImageConverter(image_size=(SIDE, SIDE), **options)
    converter.save_to_preset(str(folder))
    spec = make_plan(FeatureOptions(backbone=str(folder))).spec
    assert spec.image_size == (SIDE, SIDE) and spec.preprocess == "none"
    rng = np.random.default_rng(0)
    pixels = np.kron(
        rng.integers(60, 190, (shape[0] // 5 + 1, shape[1] // 5 + 1, 3)), np.ones((5, 5, 1))
    )
    pixels = pixels[: shape[0], : shape[1]].astype(np.uint8)
    geometry = Geometry(SIDE, SIDE, spec.resize, interpolation=spec.interpolation)
    expected = np.asarray(converter(pixels.astype(np.float32))).clip(0, 255)
    assert np.abs(geometry.apply(pixels) - expected).max() <= 1.01


def test_the_digest_covers_configuration_and_weights(presets, tmp_path) -> None:
    folder = tmp_path / "vit"
    shutil.copytree(presets[0] / "vit", folder)
    spec = make_plan(FeatureOptions(backbone=str(folder))).spec
    assert plan_for(spec, "imagenet").spec == spec
    for name in ("config.json", "model.weights.h5"):
        before = (folder / name).read_bytes()
        (folder / name).write_bytes(before + b" ")
        assert make_plan(FeatureOptions(backbone=str(folder))).spec != spec
        (folder / name).write_bytes(before)


def test_presets_that_need_an_answer_or_code_are_refused(presets, tmp_path, monkeypatch) -> None:
    folder = tmp_path / "vit"
    shutil.copytree(presets[0] / "vit", folder)
    config = json.loads((folder / "config.json").read_text())
    converter = json.loads((folder / "image_converter.json").read_text())
    converter["config"] |= {"crop_to_aspect_ratio": False, "pad_to_aspect_ratio": True}
    (folder / "image_converter.json").write_text(json.dumps(converter))
    with pytest.raises(ConfigError, match="pads without antialiasing"):
        make_plan(FeatureOptions(backbone=str(folder)))
    (folder / "image_converter.json").unlink()
    with pytest.raises(ConfigError, match=r"has no image_converter\.json"):
        make_plan(FeatureOptions(backbone=str(folder)))
    assert make_plan(FeatureOptions(backbone=str(folder), preprocess="tf")).spec.resize == "squash"
    for module, name in (("keras_hub.src.utils.x", "Backbone"), ("keras_hub.models", "ViTTask")):
        named = {**config, "module": module, "class_name": name}
        (folder / "config.json").write_text(json.dumps(named))
        with pytest.raises(WeightsMismatchError, match="of KerasHub featx loads backbones only"):
            load_model(folder, (SIDE, SIDE))
    (folder / "config.json").write_text(json.dumps(config))
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(WeightsMismatchError, match=r"pip install 'featx\[hub\]'"):
        load_model(folder, (SIDE, SIDE))


def test_a_preset_is_described(presets) -> None:
    summary = summarise(presets[0] / "vit")
    assert (summary.layer, summary.pool, summary.n_features) == ("last_output", "cls", 16)
    assert summary.image_size == (SIDE, SIDE) and summary.origin == "image_converter.json"
    assert [path.name for path in summary.files] == ["config.json", "model.weights.h5"]
    assert not summary.missing


def _tower(kind: str, name: str, **more: Any) -> Any:
    module = importlib.import_module(f"keras_hub.src.models.{kind.lower()}.{kind.lower()}_{name}")
    sizes = {"hidden_dim": 16, "num_layers": 1, "num_heads": 2, "intermediate_dim": 32}
    class_name = "VisionEncoder" if name == "vision_encoder" else "TextEncoder"
    return getattr(module, kind + class_name)(**sizes, **more)


@pytest.mark.parametrize(("kind", "width"), [("CLIP", 12), ("SigLIP", 16)])
def test_models_with_words_give_their_vectors_of_images(images, tmp_path, kind, width) -> None:
    images_folder, pixels = images
    words = {"vocabulary_size": 9, "embedding_dim": 16, "max_sequence_length": 4}
    backbone = getattr(keras_hub.models, f"{kind}Backbone")(
        _tower(kind, "vision_encoder", patch_size=8, image_shape=(SIDE, SIDE, 3)),
        _tower(kind, "text_encoder", **words),
        **({"projection_dim": width} if kind == "CLIP" else {}),
    )
    backbone.save_to_preset(str(tmp_path / "preset"))
    backbone.save(tmp_path / "whole.keras")
    expected = np.asarray(backbone.get_vision_embeddings(pixels.astype(np.float32) / 255))
    assert expected.shape == (len(pixels), width)
    for name in ("preset", "whole.keras"):
        X = features(
            tmp_path, images_folder, "keras", backbone=str(tmp_path / name), preprocess="unit"
        )
        np.testing.assert_allclose(X, expected, atol=1e-4 * np.abs(expected).max())
    summary = summarise(tmp_path / "preset", "unit")
    assert (summary.n_features, summary.pool, list(summary.inputs)) == (width, "none", ["images"])
    assert 0 < summary.gmacs < 1e-3
