"""Backbones in files give what PyTorch gives with the publisher's own processor."""

from __future__ import annotations

import numpy as np
import pytest
from graphs_shared import FOLDER, NAMES, convolution, expected, features_of, save_graph

from featx.cache.errors import ConfigError, UnknownBackboneError, WeightsMismatchError
from featx.extractor import FeatureOptions
from featx.extractor.backbones import find_preprocess
from featx.extractor.images.decode import decode
from featx.extractor.plan import make_plan

ENGINES = ("openvino", "onnxruntime")
N_PREFIX = {"vit": 1, "clip": 1, "dinov2": 5, "siglip": 0}


@pytest.fixture(params=ENGINES)
def engine(request):
    pytest.importorskip(request.param)
    return request.param


def pictures(values):
    return [values[key] for key in sorted(values) if key.startswith("image_") and key[6:].isdigit()]


@pytest.mark.parametrize("name", NAMES)
def test_pixels_are_those_of_the_publishers_processor(name):
    values = expected(name)
    plan = make_plan(FeatureOptions(backbone=str(FOLDER / name)))
    read = np.stack([decode(image, [plan.geometry])[0] for image in pictures(values)])
    preprocess = find_preprocess(plan.spec.preprocess)
    pixels = (read - np.float64(preprocess.mean)) / np.float64(preprocess.scale)
    # One level of one channel is more than 0.004.
    assert np.abs(pixels.transpose(0, 3, 1, 2) - values["pixels"]).max() < 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_default_features_are_those_of_pytorch(name, engine):
    values = expected(name)
    output = "image_embeds" if "image_embeds" in values else "pooler_output"
    X = features_of(FOLDER / name, pictures(values), engine)
    assert np.abs(X - values[output].reshape(len(X), -1)).max() < 1e-4


@pytest.mark.parametrize("name", sorted(N_PREFIX))
def test_tokens_are_pooled(name, engine):
    values = expected(name)
    tokens, n_prefix = values["last_hidden_state"], N_PREFIX[name]
    wanted = {
        "mean": tokens[:, n_prefix:].mean(axis=1),
        "avg": tokens.mean(axis=1),
        "max": tokens.max(axis=1),
        "none": tokens.reshape(len(tokens), -1),
    }
    if n_prefix:
        wanted["cls"] = tokens[:, 0]
    for pool, rows in wanted.items():
        X = features_of(
            FOLDER / name, pictures(values), engine, layer="last_hidden_state", pool=pool
        )
        assert np.abs(X - rows).max() < 1e-4, pool


def test_the_default_pool_of_tokens_is_the_class_token_or_the_mean_of_patches():
    pools = {
        name: make_plan(
            FeatureOptions(backbone=str(FOLDER / name), layer="last_hidden_state")
        ).spec.pool
        for name in N_PREFIX
    }
    assert pools == {"vit": "cls", "clip": "cls", "dinov2": "cls", "siglip": "mean"}


def test_without_a_class_token_cls_is_refused(engine):
    with pytest.raises(UnknownBackboneError, match="no class token"):
        features_of(
            FOLDER / "siglip",
            [np.zeros((32, 32, 3), np.uint8)],
            engine,
            pool="cls",
            layer="last_hidden_state",
        )


def test_maps_are_pooled_as_those_of_keras_models(tmp_path, engine):
    node, constants = convolution()
    path = save_graph(tmp_path / "net.onnx", [node], ["map"], constants)
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (3, 8, 8, 3), np.uint8)
    patches = images.reshape(3, 2, 4, 2, 4, 3).astype(np.float64)
    maps = np.einsum("nykxlc,ockl->noyx", patches, constants["kernel"])
    wanted = {
        "avg": maps.mean(axis=(2, 3)),
        "max": maps.max(axis=(2, 3)),
        "grid:2": maps.transpose(0, 2, 3, 1).reshape(3, -1),
        "flatten": maps.reshape(3, -1),
    }
    for pool, rows in wanted.items():
        X = features_of(path, images, engine, pool=pool, preprocess="none")
        np.testing.assert_allclose(X, rows, rtol=1e-4, atol=1e-2)
    with pytest.raises(UnknownBackboneError, match="maps of shape"):
        features_of(path, images, engine, pool="none", preprocess="none")


def test_channels_last_and_reversed_channels(tmp_path, engine):
    node = ("ReduceMean", ("image",), "colour", {"axes": [1, 2], "keepdims": 0})
    path = save_graph(tmp_path / "net.onnx", [node], ["colour"], image=("n", 8, 8, 3))
    image = np.full((8, 8, 3), (10, 20, 30), np.uint8)
    X = features_of(path, [image], engine, preprocess="caffe")
    np.testing.assert_allclose(X, [[30 - 103.939, 20 - 116.779, 10 - 123.68]], rtol=1e-5)


def test_half_precision_input_and_output(tmp_path, engine):
    from onnx import TensorProto

    node = ("ReduceMean", ("image",), "colour", {"axes": [2, 3], "keepdims": 0})
    path = save_graph(tmp_path / "net.onnx", [node], ["colour"], dtype=TensorProto.FLOAT16)
    X = features_of(path, [np.full((8, 8, 3), 64, np.uint8)], engine, preprocess="none")
    assert X.dtype == np.float32 and X.tolist() == [[64.0, 64.0, 64.0]]


def test_a_graph_that_fixes_its_batch_runs_in_that_batch(tmp_path, engine):
    shape = np.array([1, 12], np.int64)
    nodes = [
        ("AveragePool", ("image",), "small", {"kernel_shape": [4, 4], "strides": [4, 4]}),
        ("Reshape", ("small", "shape"), "row", {}),
    ]
    images = [np.full((8, 8, 3), value, np.uint8) for value in (1, 2, 3)]
    for batch in (1, "n"):
        path = save_graph(
            tmp_path / f"{batch}.onnx", nodes, ["row"], {"shape": shape}, (batch, 3, 8, 8)
        )
        X = features_of(path, images, engine, preprocess="none")
        assert X[:, 0].tolist() == [1.0, 2.0, 3.0]


def test_position_embeddings_are_never_resized_in_silence(engine):
    image = [np.zeros((64, 64, 3), np.uint8)]
    with pytest.raises(WeightsMismatchError, match="64×64"):
        features_of(FOLDER / "vit", image, engine, image_size=64)
    remarks = make_plan(FeatureOptions(backbone=str(FOLDER / "dinov2"))).remarks
    assert len(remarks) == 1 and "from 40 × 40 to 4 × 4" in remarks[0]


def test_a_network_without_position_embeddings_takes_another_size(engine):
    image = [np.zeros((80, 90, 3), np.uint8)]
    plan = make_plan(FeatureOptions(backbone=str(FOLDER / "regnet"), image_size=64))
    assert plan.spec.resize == "shortest:72"
    assert features_of(FOLDER / "regnet", image, engine, image_size=64).shape == (1, 32)


def test_several_layers_cost_one_pass(engine):
    from featx.extractor.engines import run_rows
    from featx.extractor.plan import merge_plans

    values = expected("vit")
    plans = [
        make_plan(FeatureOptions(backbone=str(FOLDER / "vit"), layer=layer, precision="float32"))
        for layer in ("last_hidden_state", "pooler_output")
    ]
    (plan,) = merge_plans(plans)
    pixels = np.stack([decode(image, [plan.geometry])[0] for image in pictures(values)])
    tokens, pooled = run_rows(plan.build_engine(2, engine), pixels)
    assert np.abs(tokens - values["last_hidden_state"][:, 0]).max() < 1e-4
    assert np.abs(pooled - values["pooler_output"]).max() < 1e-4


def test_openvino_files_are_backbones(tmp_path):
    openvino = pytest.importorskip("openvino")
    values = expected("siglip")
    graph = openvino.Core().read_model(FOLDER / "siglip" / "model.onnx")
    openvino.save_model(graph, tmp_path / "net" / "openvino_model.xml", compress_to_fp16=False)
    options = {"preprocess": str(FOLDER / "siglip" / "preprocessor_config.json")}
    X = features_of(tmp_path / "net", pictures(values), **options)
    assert np.abs(X - values["pooler_output"]).max() < 1e-4
    tokens = features_of(
        tmp_path / "net", pictures(values), layer="last_hidden_state", pool="mean", **options
    )
    assert np.abs(tokens - values["last_hidden_state"].mean(axis=1)).max() < 1e-4
    with pytest.raises(ConfigError, match="--engine openvino"):
        features_of(tmp_path / "net", pictures(values), "onnxruntime", **options)


def test_keras_runs_no_graph():
    with pytest.raises(ConfigError, match="Use --engine openvino or --engine onnxruntime"):
        features_of(FOLDER / "vit", [np.zeros((32, 32, 3), np.uint8)], "keras")


def test_onnxruntime_runs_no_keras_model():
    with pytest.raises(ConfigError, match="Use --engine openvino or --engine keras"):
        features_of("pixels", [np.zeros((32, 32, 3), np.uint8)], "onnxruntime")
