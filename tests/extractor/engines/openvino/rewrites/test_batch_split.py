"""First layers that run on pieces of the batch give the same bits."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("openvino")

import openvino
from openvino import opset13

from featx.extractor.engines.openvino.rewrites.batch_split import split_batch

B, SIDE, WIDTH = 4, 128, 32
RNG = np.random.default_rng(0)


def convolve(node, n_in, n_out, stride=1):
    kernels = RNG.normal(size=(n_out, n_in, 3, 3)).astype(np.float32) / n_in
    return opset13.convolution(node, kernels, [stride] * 2, [1, 1], [1, 1], [1, 1])


def pixels_of(side=SIDE, batch=B):
    return opset13.parameter([batch, 3, side, side], np.float32)


def residual(pixels):
    first = opset13.relu(convolve(pixels, 3, WIDTH))
    second = opset13.add(opset13.relu(convolve(first, WIDTH, WIDTH)), first)
    return opset13.relu(convolve(second, WIDTH, WIDTH, stride=2))


def mixing(pixels):
    small = residual(pixels)
    mean = opset13.reduce_mean(small, np.array([0]), True)
    return opset13.subtract(small, mean)


def of_its_own(pixels):
    shifts = opset13.constant(np.arange(B, dtype=np.float32).reshape(B, 1, 1, 1))
    return residual(opset13.add(pixels, shifts))


def pooled(node, pixels):
    return openvino.Model([opset13.reduce_mean(node, np.array([2, 3]), False)], [pixels])


def run(graph):
    shape = list(graph.input(0).get_shape())
    images = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    compiled = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled([images])[0].copy()


def pieces(graph):
    return [len(n.outputs()) for n in graph.get_ops() if n.get_type_name() == "Split"]


def _users(node):
    return {t.get_node().get_type_name() for t in node.output(0).get_target_inputs()}


@pytest.mark.parametrize(
    ("build", "end"), [(residual, [WIDTH]), (mixing, [WIDTH, SIDE // 2, SIDE // 2])]
)
def test_the_bits_stay(build, end):
    pixels = pixels_of()
    graph = pooled(build(pixels), pixels)
    before = run(graph)
    split_batch(graph)
    # Two images' maps of 32×128×128 values are what is held.
    assert pieces(graph) == [2]
    shared = [n for n in graph.get_ops() if len(n.outputs()) and _users(n) == {"Convolution"}]
    assert sum(n.get_type_name() == "Constant" for n in shared) == 3
    (joined,) = (n for n in graph.get_ops() if n.get_type_name() == "Concat")
    assert list(joined.output(0).get_shape()) == [B, *end]
    np.testing.assert_array_equal(run(graph), before)


def test_numbers_that_belong_to_one_image_are_not_cut():
    pixels = pixels_of()
    graph = pooled(of_its_own(pixels), pixels)
    before = run(graph)
    split_batch(graph)
    assert pieces(graph) == []
    np.testing.assert_array_equal(run(graph), before)


@pytest.mark.parametrize(("side", "batch"), [(32, 4), (128, 1)])
def test_small_batches_of_small_images_stay_whole(side, batch):
    pixels = pixels_of(side, batch)
    graph = pooled(residual(pixels), pixels)
    split_batch(graph)
    assert pieces(graph) == []


def test_any_batch_is_cut_into_equal_pieces():
    pixels = pixels_of(SIDE, 7)
    graph = pooled(residual(pixels), pixels)
    split_batch(graph)
    assert pieces(graph) == [7]
