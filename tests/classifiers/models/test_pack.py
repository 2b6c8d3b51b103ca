"""Models that bring their converted network: what a machine without TensorFlow does with them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from images_shared import make_photos
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

import featx
from featx.cache.errors import ConfigError, ModelFileError
from featx.classifiers.models.model_file import model_digest
from featx.classifiers.scoring.engine_drift import measure_engine_drift
from featx.cli import app
from featx.extractor.engines.model_folder import model_folder
from featx.extractor.pipeline.scan import scan_source
from tests_shared import Cli

pytest.importorskip("openvino")

SLIM = "import sys; sys.modules['tensorflow'] = None; from featx.cli import main; main()"
"""A process in which TensorFlow is not installed, as far as featx can tell."""

RANDOM = featx.FeatureOptions(backbone="mobilenet", weights="random:0", image_size=32)
Home = Callable[[str], None]


def onnx_file(path: Path) -> Path:
    """Write a network of one convolution."""
    kernel = np.random.default_rng(0).standard_normal((8, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["map"], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["map"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 32, 32])
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 8])
    graph = helper.make_graph(
        nodes, "g", [image], [features], [numpy_helper.from_array(kernel, "kernel")]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, str(path))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, and a packed model of each kind of backbone: keras.featx and onnx.featx."""
    folder = tmp_path_factory.mktemp("packed")
    photos = make_photos(folder / "photos")
    graph = featx.FeatureOptions(
        backbone=str(onnx_file(folder / "net.onnx")), preprocess="torch", precision="float32"
    )
    for name, options in (("keras", RANDOM), ("onnx", graph)):
        cache, plain = folder / f"cache-{name}", folder / f"plain-{name}.featx"
        featx.extract(photos, options, cache=cache)
        featx.fit(head="centroid", cache=cache, out=plain)
    shutil.copyfile(folder / "plain-keras.featx", folder / "keras.featx")
    featx.pack_model(folder / "keras.featx", weights="random:0")
    words = ["export", str(folder / "plain-onnx.featx"), "--to", "bundle"]
    words += ["-o", str(folder / "onnx.featx")]
    (folder / "said").write_text(CliRunner().invoke(app, words).stdout, encoding="utf-8")
    (folder / "net.onnx").unlink()
    return folder


@pytest.fixture
def other_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has been converted here, and TensorFlow is not installed."""
    monkeypatch.setenv("FEATX_HOME", str(tmp_path / "other"))
    monkeypatch.setitem(sys.modules, "tensorflow", None)


def slim(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SLIM, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["keras", "onnx"])
def test_a_packed_model_predicts_without_tensorflow_and_weights_to_the_same_bits(
    name: str, folder: Path, tmp_path: Path, other_machine: None
) -> None:
    cached = featx.open_features(cache=folder / f"cache-{name}")
    model = featx.load_model(folder / f"{name}.featx")
    here = [folder / "photos" / sample_id for sample_id in cached.sample_ids]
    np.testing.assert_array_equal(model.predict_proba(here), model.predict_proba(cached))
    report = featx.score(model, folder / "photos", tmp_path / "p.csv", cache=tmp_path / "none")
    assert report.n_ok == len(here)


def test_a_slim_process_scores_a_packed_model_and_refuses_another(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEATX_HOME", str(tmp_path / "other"))
    done = slim("score", folder / "keras.featx", folder / "photos", "-o", "p.csv")
    assert done.returncode == 0, done.stderr
    done = slim("score", folder / "plain-keras.featx", folder / "photos", "--weights", "random:0")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "featx model pack MODEL" in done.stderr and "pip install tensorflow" in done.stderr


def test_extractions_use_an_unpacked_network_and_have_the_same_fingerprint(
    folder: Path, tmp_path: Path, other_machine: None
) -> None:
    model = featx.load_model(folder / "keras.featx")
    assert featx.unpack_network(model) == featx.unpack_network(folder / "keras.featx")
    options = replace(RANDOM, precision=model.spec.precision)
    featx.extract(folder / "photos", options, cache=tmp_path / "c")
    here = featx.open_features(cache=tmp_path / "c")
    there = featx.open_features(cache=folder / "cache-keras")
    assert here.spec.fingerprint == there.spec.fingerprint == model.spec.fingerprint
    np.testing.assert_array_equal(here.X[:], there.X[:])


def test_a_strangers_network_is_used_by_its_own_model_alone(
    folder: Path, other_machine: None
) -> None:
    network = featx.load_model(folder / "keras.featx").plan().network
    own = model_folder(replace(network, packed=None))
    assert model_folder(network).path != own.path
    featx.unpack_network(folder / "keras.featx")
    assert model_folder(network).path == own.path  # the same bytes are kept once


def test_a_network_says_what_it_is_of_and_how_it_drifts(cli: Cli, folder: Path) -> None:
    answer = cli("model", "info", folder / "keras.featx", "--json")
    info = json.loads(answer.stdout)
    network, features = info["network"], info["features"]
    assert network["facts"]["weights"] == features["weights_digest"]
    assert network["facts"]["taps"] == [{"layer": features["layer"], "pool": features["pool"]}]
    assert network["made"]["fingerprint"] == features["fingerprint"]
    assert network["made"]["drift"]["median"] > 0.999
    assert set(network["files"]) == {"model.xml", "model.bin"}
    shown = cli("model", "info", folder / "keras.featx").stdout
    assert "brings its converted network" in shown and "engine: openvino/" in shown
    plain = cli("model", "info", folder / "plain-keras.featx", "--json").stdout
    assert json.loads(plain)["network"] is None and json.loads(plain)["digest"] == info["digest"]


def test_packing_in_place_keeps_the_model_and_saving_keeps_the_network(
    folder: Path, tmp_path: Path
) -> None:
    said = (folder / "said").read_text(encoding="utf-8")
    assert "of which the network" in said and "median 1.0000" in said
    packed = featx.load_model(folder / "keras.featx")
    featx.save_model(replace(packed, decision={"factors": [1.0] * 3}), tmp_path / "m.featx")
    again = featx.load_model(tmp_path / "m.featx")
    assert again.network is not None and packed.network is not None
    assert again.network.digests == packed.network.digests
    assert again.network.read("model.xml").startswith(b"<?xml")
    assert model_digest(packed) == model_digest(featx.load_model(folder / "plain-keras.featx"))


def test_the_drift_of_another_version_is_measured_without_keras(
    folder: Path, other_machine: None
) -> None:
    plan = featx.load_model(folder / "keras.featx").plan()
    scan = scan_source(featx.open_source(folder / "photos"))
    said = measure_engine_drift(plan, scan, "openvino/2024.1", "openvino")
    assert said is not None and said.drift is not None and said.drift.worst > 0.999
    assert "Keras in float32 on 8 images" in said.describe()
    without = replace(said, drift=None).describe()
    assert "cannot be measured" in without


def test_a_model_without_a_network_is_not_unpacked(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"brings no network.*featx model pack"):
        featx.unpack_network(folder / "plain-keras.featx")


def rewritten(path: Path, out: Path, member: str, change: Callable[[bytes], bytes]) -> Path:
    """Copy a model file with one member changed."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            new.writestr(info, change(data) if info.filename == member else data)
    return out


def test_damaged_bytes_of_a_network_are_refused(
    folder: Path, tmp_path: Path, other_machine: None
) -> None:
    broken = rewritten(
        folder / "keras.featx", tmp_path / "b.featx", "network/model.bin", lambda b: b[:-1] + b"?"
    )
    model = featx.load_model(broken)
    with pytest.raises(ModelFileError, match=r"model\.bin.*copy the file again"):
        model.predict(np.zeros((2, 32, 32, 3), np.uint8))
    with pytest.raises(ModelFileError, match="copy the file again"):
        featx.save_model(model, tmp_path / "again.featx")
    assert not list((tmp_path / "other").glob("models/*"))


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("facts", "weights"), "0" * 64, "not of the features"),
        (("facts", "taps"), [], "not of the features"),
        (("made", "fingerprint"), "0" * 64, "not of the features"),
        (("facts",), [], "misshapen"),
        (("files",), {"../x": "0"}, "upgrade featx"),
        (("format",), "torch", "upgrade featx"),
    ],
)
def test_a_network_of_other_features_is_refused(
    keys: tuple[str, ...], value: object, message: str, folder: Path, tmp_path: Path
) -> None:
    def change(data: bytes) -> bytes:
        document = json.loads(data)
        part = document["network"]
        for key in keys[:-1]:
            part = part[key]
        part[keys[-1]] = value
        return json.dumps(document).encode()

    hostile = rewritten(folder / "keras.featx", tmp_path / "h.featx", "model.json", change)
    with pytest.raises(ModelFileError, match=message):
        featx.load_model(hostile)
