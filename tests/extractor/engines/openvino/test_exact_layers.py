"""Layers that stay in float32 in a bfloat16 network: how many, and that OpenVINO keeps to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from featx.extractor.engines.model_folder import ModelFolder
from featx.extractor.engines.openvino import exact_layers
from featx.extractor.engines.openvino.compiled import load_compiled, save_compiled
from featx.extractor.engines.openvino.engine import OPENVINO
from featx.extractor.engines.openvino.exact_layers import (
    CANDIDATES,
    choose_exact_layers,
    convolutions,
    exact_nodes,
    measured_drift,
    read_with_exact,
)
from featx.extractor.machine.hardware import this_machine
from tests_engines import network

openvino = pytest.importorskip("openvino")
HINT = {"INFERENCE_PRECISION_HINT": "bf16"}


class Turned:
    """An engine whose rows are turned away by an angle."""

    batch_size = 8

    def __init__(self, angle):
        self.angle = angle

    def run(self, images):
        row = np.array([[np.cos(self.angle), np.sin(self.angle)]], np.float32)
        return (row.repeat(len(images), axis=0),)


class Builder:
    """Builds engines that drift less the more layers are exact."""

    def __init__(self, angles, refuses=()):
        self.angles, self.refuses, self.built = angles, refuses, []

    def __call__(self, precision, n_exact):
        self.built.append((precision, n_exact))
        if n_exact in self.refuses:
            raise RuntimeError("object is not initialized")
        return Turned(0.0 if precision == "float32" else self.angles[n_exact])


@pytest.fixture
def folder(tmp_path):
    return ModelFolder(tmp_path / "models" / "one")


@pytest.mark.parametrize(
    ("angles", "refuses", "chosen"),
    [
        ({0: 0.01}, (), 0),
        ({0: 0.1, 2: 0.05, 3: 0.02}, (), 3),
        ({0: 0.1, 2: 0.02, 3: 0.02}, (2,), 3),
        (dict.fromkeys(CANDIDATES, 0.1), (), 0),
    ],
)
def test_the_least_number_that_keeps_the_contract(folder, angles, refuses, chosen):
    builder = Builder(angles, refuses)
    assert choose_exact_layers(network(), folder, builder) == chosen
    n_built = len(builder.built)
    assert choose_exact_layers(network(), folder, builder) == chosen
    assert len(builder.built) == n_built


@pytest.fixture
def model_of_two_convolutions(folder):
    from openvino import opset13

    rng = np.random.default_rng(0)
    pixels = opset13.parameter([1, 3, 16, 16], np.float32)
    node = pixels
    for n_inputs in (3, 32):
        kernel = rng.normal(0, 0.1, (32, n_inputs, 3, 3)).astype(np.float32)
        node = opset13.convolution(node, kernel, [1, 1], [1, 1], [1, 1], [1, 1])
        node = opset13.add(node, rng.normal(0, 1, (1, 32, 1, 1)).astype(np.float32))
        node = opset13.relu(node)
    folder.path.mkdir(parents=True)
    model = openvino.Model([opset13.reduce_mean(node, np.array([2, 3]))], [pixels], "two")
    openvino.serialize(model, folder.model)
    return folder


def test_no_more_layers_are_tried_than_there_are(model_of_two_convolutions):
    builder = Builder(dict.fromkeys(CANDIDATES, 0.1))
    assert choose_exact_layers(network(), model_of_two_convolutions, builder) == 0
    assert builder.built == [("float32", 0), ("bfloat16", 0), ("bfloat16", 2)]


def test_the_drift_is_kept_for_this_kind_of_processor(folder, monkeypatch):
    assert measured_drift(folder) is None
    choose_exact_layers(network(), folder, Builder({0: 0.1, 2: 0.02}))
    assert measured_drift(folder).median == pytest.approx(np.cos(0.02))
    other = replace(this_machine(), cpu="another")
    monkeypatch.setattr(exact_layers, "this_machine", lambda: other)
    assert measured_drift(folder) is None


def formats(compiled):
    """The formats of the convolutions, in order."""
    facts = [op.get_rt_info() for op in compiled.get_runtime_model().get_ordered_ops()]
    return [
        f["runtimePrecision"].astype(str) for f in facts if "Conv" in f["layerType"].astype(str)
    ]


def test_bias_and_activation_go_with_their_convolution(model_of_two_convolutions):
    model = openvino.Core().read_model(model_of_two_convolutions.model)
    assert [n.get_type_name() for n in exact_nodes(model, 1)] == ["Convolution", "Add", "Relu"]
    assert len(convolutions(model)) == 2 and len(exact_nodes(model, 2)) == 6


@pytest.mark.skipif(
    "bfloat16" not in OPENVINO.precisions(this_machine()), reason="no bfloat16 on this processor"
)
def test_openvino_keeps_marked_layers_in_float32(model_of_two_convolutions, tmp_path):
    core, folder = openvino.Core(), model_of_two_convolutions
    for n_exact, expected in ((0, ["bf16", "bf16"]), (1, ["f32", "bf16"]), (2, ["f32", "f32"])):
        model = read_with_exact(core, folder, n_exact)
        compiled = core.compile_model(model, "CPU", HINT)
        assert formats(compiled) == expected
        path = tmp_path / f"{n_exact}.blob"
        save_compiled(compiled, path)
        assert formats(load_compiled(core, path, HINT)) == expected
