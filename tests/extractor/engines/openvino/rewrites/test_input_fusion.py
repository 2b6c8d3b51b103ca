"""Fused input steps give the numbers that normalising after the transposition gives."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("openvino")

import openvino
from openvino import opset13

from featx.extractor.engines.openvino.rewrites.input_fusion import fuse_input

B, SIDE = 3, 10
SCALE = np.float32([0.5, 1.0, 2.0]).reshape(1, 3, 1, 1)
SHIFT = np.float32([-103.9, -116.8, -123.7]).reshape(1, 3, 1, 1)


def model(*scales, lengths=None, order=(0, 3, 1, 2), branch=False):
    pixels = opset13.parameter([B, SIDE, SIDE, 3], np.uint8)
    node = opset13.transpose(opset13.convert(pixels, "f32"), np.array(order))
    if lengths is not None:
        node = opset13.reverse_sequence(node, np.array(lengths), 0, 1)
    for kind, values in scales:
        node = getattr(opset13, kind)(node, opset13.constant(np.float32(values)))
    kernels = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    found = opset13.convolution(node, kernels, [2, 2], [0, 0], [1, 1], [1, 1])
    outputs = [found, opset13.relu(node)] if branch else [found]
    return openvino.Model(outputs, [pixels])


def kinds(graph):
    return [n.get_type_name() for n in graph.get_ordered_ops() if n.get_type_name() != "Constant"]


def run(graph):
    images = np.random.default_rng(1).integers(0, 256, (B, SIDE, SIDE, 3), np.uint8)
    compiled = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled([images])[0].copy()


@pytest.mark.parametrize(
    ("scales", "lengths"),
    [
        ([("add", np.full((1, 3, 1, 1), -127.5))], None),
        ([("multiply", SCALE), ("add", SHIFT)], None),
        ([("multiply", [0.25]), ("add", SHIFT)], [3, 3, 3]),
        ([], [3, 3, 3]),
    ],
)
def test_the_numbers_stay(scales, lengths):
    graph = model(*scales, lengths=lengths)
    before = run(graph)
    fuse_input(graph)
    found = kinds(graph)
    assert found.index("Transpose") == found.index("Convolution") - 1
    assert "ReverseSequence" not in found
    np.testing.assert_allclose(run(graph), before, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(
    "graph",
    [
        model(("add", SHIFT), lengths=[3, 2, 3]),
        model(("add", SHIFT), order=(0, 3, 2, 1)),
        model(("add", SHIFT), branch=True),
        model(("power", [2.0])),
        model(("add", np.zeros((1, 3, SIDE, 1)))),
        model(("add", np.zeros((B, 1, 1, 1)))),
    ],
    ids=["few channels", "turned", "branch", "power", "by place", "by image"],
)
def test_what_is_not_known_stays_as_it_is(graph):
    before = kinds(graph)
    fuse_input(graph)
    assert kinds(graph) == before
