"""Models whose backbone is a graph in a file: extracted, fitted, scored and exported."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from graphs_shared import FOLDER


@pytest.fixture
def trained(cli, photos, tmp_path):
    shutil.copytree(FOLDER / "dinov2", tmp_path / "net")
    assert cli("extract", photos, "--backbone", "net").exit_code == 0
    assert cli("fit", "--head", "logreg", "--out", "model.featx").exit_code == 0
    return tmp_path


def test_a_model_finds_its_backbone_where_it_was(cli, photos, trained):
    scored = cli("score", "model.featx", photos)
    assert scored.exit_code == 0 and "came from the cache" in scored.stdout
    (trained / "net").rename(trained / "moved")
    lost = cli("score", "model.featx", photos, "--overwrite")
    assert lost.exit_code == 1 and "--weights PATH" in lost.stderr
    assert cli("score", "model.featx", photos, "--overwrite", "--weights", "moved").exit_code == 0
    other = cli("score", "model.featx", photos, "--overwrite", "--weights", FOLDER / "vit")
    assert other.exit_code == 1 and "dinov2" not in other.stdout


@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_a_model_leaves_as_one_graph(cli, trained, to):
    pytest.importorskip("tf2onnx")
    exported = cli("export", "model.featx", "--to", to, "--json")
    assert exported.exit_code == 0, exported.stderr
    report = json.loads(exported.stdout)
    assert report["difference"] < 1e-4
    if to == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(trained / "model.onnx"))
        (image,) = session.get_inputs()
        assert image.name == "image" and image.shape[1:] == [32, 32, 3]
        (output,) = session.run(["probabilities"], {"image": np.zeros((3, 32, 32, 3), np.uint8)})
        assert output.shape == (3, 3)


def test_other_formats_are_refused_before_any_work(cli, trained):
    for to in ("keras", "savedmodel", "tflite"):
        refused = cli("export", "model.featx", "--to", to)
        assert refused.exit_code == 1 and "Use --to onnx or --to openvino" in refused.stderr


def test_warnings_of_the_backbone_are_shown(cli, trained, photos):
    noted = cli("extract", photos, "--backbone", "net")
    assert "Warning: net: the graph resizes its position embeddings" in noted.stderr
    assert json.loads(cli("extract", photos, "--backbone", "net", "--json").stdout)["warnings"]
