"""What a graph's record says, and what is refused before anything runs."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graphs_shared import FOLDER, convolution, save_graph

from featx.cache.errors import UnknownBackboneError, WeightsMismatchError, WeightsNotFoundError
from featx.extractor import FeatureOptions
from featx.extractor.backbones import choose_backbone, find_weights
from featx.extractor.plan import make_plan

FLAT = ("Flatten", ("map",), "row", {"axis": 1})


def digest(path, preprocess="none"):
    return find_weights(choose_backbone(str(path), preprocess), "imagenet", False).digest


def test_the_record_counts_parameters_and_multiply_adds():
    record = choose_backbone(str(FOLDER / "vit"))
    assert record.name == "vit" and record.format == "onnx"
    # Patches, positions, two layers, two norms, the pooler.
    layer = 4 * (32 * 32 + 32) + 2 * 32 * 64 + 64 + 32 + 4 * 32
    assert record.n_params == pytest.approx(3 * 64 * 32 + 32 + 18 * 32 + 2 * layer + 64 + 1056, 60)
    macs = 16 * 192 * 32 + 2 * (17 * (4 * 32 * 32 + 2 * 32 * 64) + 2 * 17 * 17 * 32) + 32 * 32
    assert record.gmacs == pytest.approx(macs / 1e9, rel=1e-3)


def test_inputs_that_a_layer_does_not_need_are_left_out(tmp_path):
    node, constants = convolution()
    words = ("Cast", ("words",), "text_embeds", {"to": onnx.TensorProto.FLOAT})
    both = ("Add", ("row", "text_embeds"), "logits", {})
    path = save_graph(
        tmp_path / "net.onnx",
        [node, FLAT, words, both],
        ["logits", "text_embeds", "row"],
        constants,
        words=("words",),
    )
    with pytest.raises(UnknownBackboneError, match="--layer takes one of logits, text_embeds, row"):
        choose_backbone(str(path), "none")
    plan = make_plan(FeatureOptions(backbone=str(path), preprocess="none", layer="row"))
    assert plan.spec.layer == "row" and plan.spec.pool == "none"
    for layer in ("logits", "text_embeds"):
        with pytest.raises(WeightsMismatchError, match="words"):
            make_plan(FeatureOptions(backbone=str(path), preprocess="none", layer=layer))


def test_a_layer_is_a_value_or_a_node(tmp_path):
    node, constants = convolution()
    path = save_graph(tmp_path / "net.onnx", [node, FLAT], ["row"], constants)
    for layer in ("map", "node_map"):
        options = FeatureOptions(backbone=str(path), preprocess="none", layer=layer)
        assert make_plan(options).spec.layer == "map"
    with pytest.raises(UnknownBackboneError, match="Did you mean map"):
        make_plan(FeatureOptions(backbone=str(path), preprocess="none", layer="maap"))


@pytest.mark.parametrize(
    ("nodes", "preprocess", "expected"),
    [
        ([("Sub", ("image", "mean"), "x", {})], "imagenet", "twice"),
        ([("Sub", ("image", "mean"), "x", {})], "clip", "twice"),
        ([("Mul", ("image", "byte"), "x", {})], "unit", "twice"),
        ([("Mul", ("image", "byte"), "x", {})], "none", ""),
        ([("Sub", ("image", "mean"), "x", {})], "unit", ""),
        ([("Div", ("image", "std"), "x", {})], "none", "pixels reach"),
        ([("Transpose", ("image",), "t", {"perm": [0, 1, 2, 3]}), ("Add", ("t", "mean"), "x", {})],
         "inception", "twice"),
        ([("BatchNormalization", ("image", "g", "b", "m", "v"), "x", {})], "imagenet", "twice"),
        ([("Identity", ("image",), "x", {})], "imagenet", ""),
    ],
)  # fmt: skip
def test_normalisation_in_the_graph_is_noticed(tmp_path, nodes, preprocess, expected):
    sides = (1, 3, 1, 1)
    constants = {
        "mean": np.array([0.485, 0.456, 0.406], np.float32).reshape(sides),
        "std": np.array([0.229, 0.224, 0.225], np.float32).reshape(sides),
        "byte": np.array(1 / 255, np.float32),
        "g": np.ones(3, np.float32), "b": np.zeros(3, np.float32),
        "m": np.full(3, 0.5, np.float32), "v": np.full(3, 0.25, np.float32),
    }  # fmt: skip
    (kind, inputs, output, attributes), kernel = convolution()
    node = (kind, ("x", inputs[1]), output, attributes)
    path = save_graph(tmp_path / "net.onnx", [*nodes, node], ["map"], constants | kernel)
    remarks = choose_backbone(str(path), preprocess).remarks
    assert len(remarks) == bool(expected) and all(expected in remark for remark in remarks)


def test_scores_of_classes_are_no_features(tmp_path):
    node, constants = convolution()
    weights = {"w": np.zeros((24, 5), np.float32)}
    path = save_graph(
        tmp_path / "net.onnx",
        [node, FLAT, ("MatMul", ("row", "w"), "logits", {})],
        ["logits"],
        constants | weights,
    )
    (remark,) = choose_backbone(str(path), "none").remarks
    assert "scores of classes" in remark and "such as row" in remark


def test_the_digest_covers_weights_in_other_files(tmp_path):
    node, constants = convolution()
    path = save_graph(tmp_path / "a" / "net.onnx", [node], ["map"], constants)
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="net.bin", size_threshold=0)
    before = digest(path)
    data = path.with_name("net.bin")
    data.write_bytes(bytes([1]) + data.read_bytes()[1:])
    assert digest(path) != before
    data.unlink()
    with pytest.raises(WeightsMismatchError, match=r"net\.bin, which is not beside it"):
        digest(path)


def test_weights_outside_the_folder_are_not_read(tmp_path):
    node, constants = convolution()
    path = save_graph(tmp_path / "a" / "net.onnx", [node], ["map"], constants)
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="net.bin", size_threshold=0)
    (tmp_path / "secret").write_bytes(b"x" * 4096)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../secret"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(WeightsMismatchError, match="outside of its folder"):
        digest(path)


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xff", b"not a model at all"])
def test_damaged_files_are_told(tmp_path, content):
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(WeightsMismatchError, match=r"net\.onnx"):
        choose_backbone(str(path), "none")


def test_other_inputs_than_images_are_refused(tmp_path):
    node = ("ReduceMean", ("image",), "row", {"axes": [2, 3], "keepdims": 0})
    path = save_graph(tmp_path / "net.onnx", [node], ["row"], image=("n", 5, 8, 8))
    with pytest.raises(WeightsMismatchError, match="expected RGB images"):
        choose_backbone(str(path), "none")


def test_the_size_that_a_file_fixes_is_kept(tmp_path):
    node, constants = convolution()
    path = save_graph(tmp_path / "net.onnx", [node], ["map"], constants)
    plan = make_plan(FeatureOptions(backbone=str(path), preprocess="none"))
    assert plan.spec.image_size == (8, 8) and plan.spec.resize == "squash"
    with pytest.raises(WeightsMismatchError, match="leave --size out"):
        make_plan(FeatureOptions(backbone=str(path), preprocess="none", image_size=16))
    published = FOLDER / "vit" / "preprocessor_config.json"
    with pytest.raises(WeightsMismatchError, match="says 32×32"):
        make_plan(FeatureOptions(backbone=str(path), preprocess=str(published)))


def test_folders_are_found_as_they_are_laid_out(tmp_path):
    node, constants = convolution()
    config = (FOLDER / "vit" / "preprocessor_config.json").read_text()
    folder = tmp_path / "mine"
    folder.mkdir()
    with pytest.raises(WeightsMismatchError, match="holds no backbone"):
        choose_backbone(str(folder))
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(WeightsMismatchError, match="optimum-cli export onnx"):
        choose_backbone(str(folder))
    (folder / "preprocessor_config.json").write_text(config)
    for name in ("onnx/a.onnx", "onnx/b.onnx"):
        save_graph(folder / name, [node], ["map"], constants, ("n", 3, 32, 32))
    with pytest.raises(WeightsMismatchError, match="2 graphs"):
        choose_backbone(str(folder))
    save_graph(folder / "onnx" / "model.onnx", [node], ["map"], constants, ("n", 3, 32, 32))
    by_folder = make_plan(FeatureOptions(backbone=str(folder)))
    by_file = make_plan(FeatureOptions(backbone=str(folder / "onnx" / "model.onnx")))
    assert by_folder.spec == by_file.spec and by_folder.spec.backbone == "mine"
    with pytest.raises(WeightsNotFoundError, match="no ONNX file"):
        choose_backbone(str(tmp_path / "nothing.onnx"))
