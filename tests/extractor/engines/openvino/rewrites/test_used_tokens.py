"""Computing only the tokens that are used changes no number, and leaves what it does not know."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

pytest.importorskip("openvino")

import openvino
from graphs_shared import FOLDER
from openvino import opset13

from featx.extractor.engines.openvino.rewrites.used_tokens import select_used_tokens

N_IMAGES, N_TOKENS, WIDTH, N_HEADS = 2, 9, 8, 2
CLASS_TOKEN = (0, 1)


def weights(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 0.5, shape).astype(np.float32)


def norm(tokens):
    return opset13.mvn(tokens, np.array([2]), True, 1e-6, "INSIDE_SQRT")


def projected(tokens, n_outputs=WIDTH, seed=0):
    n_inputs = list(tokens.output(0).get_shape())[-1]
    product = opset13.matmul(tokens, weights(n_inputs, n_outputs, seed=seed), False, False)
    return opset13.add(product, weights(n_outputs, seed=seed + 1))


def heads(tokens):
    sides = np.array([0, -1, N_HEADS, WIDTH // N_HEADS])
    return opset13.transpose(opset13.reshape(tokens, sides, True), np.array([0, 2, 1, 3]))


def attention(tokens):
    q, k, v = (heads(projected(norm(tokens), seed=seed)) for seed in (2, 4, 6))
    weight = opset13.softmax(opset13.matmul(q, k, False, True), -1)
    joined = opset13.transpose(opset13.matmul(weight, v, False, False), np.array([0, 2, 1, 3]))
    return projected(opset13.reshape(joined, np.array([0, 0, WIDTH]), True), seed=8)


def layer(tokens):
    tokens = opset13.add(tokens, attention(tokens))
    wide = opset13.gelu(projected(norm(tokens), 4 * WIDTH, seed=10), "erf")
    return opset13.add(tokens, projected(wide, seed=12))


def cut(tokens, part, axis=1):
    bounds = (np.array([n]) for n in (*part, 1, axis))
    return opset13.slice(tokens, *bounds)


def model(outputs_of, n_layers=2):
    tokens = opset13.parameter([N_IMAGES, N_TOKENS, WIDTH], np.float32)
    node = opset13.add(tokens, weights(1, N_TOKENS, WIDTH))
    for _ in range(n_layers):
        node = layer(node)
    return openvino.Model(outputs_of(node), [tokens], "transformer")


def run(graph):
    images = weights(N_IMAGES, N_TOKENS, WIDTH, seed=20)
    compiled = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return [np.array(values) for values in compiled([images]).values()]


def multiplications(graph):
    """The multiplications of all matrix products."""
    products = [node for node in graph.get_ordered_ops() if node.get_type_name() == "MatMul"]
    return sum(
        prod(n.output(0).get_shape())
        * list(n.input(0).get_shape())[-2 if n.get_attributes()["transpose_a"] else -1]
        for n in products
    )


def gather(node):
    return opset13.gather(node, np.array(0), np.array(1))


FEWER = [
    ("slice", lambda node: [cut(norm(node), CLASS_TOKEN)]),
    ("last token", lambda node: [cut(node, (-1, N_TOKENS))]),
    ("three tokens", lambda node: [cut(node, (2, 5))]),
    ("gather", lambda node: [projected(gather(norm(node)))]),
    ("last by gather", lambda node: [opset13.gather(node, np.array(-1), np.array(1))]),
    ("twice the same", lambda node: [cut(node, CLASS_TOKEN), cut(norm(node), CLASS_TOKEN)]),
]


@pytest.mark.parametrize("outputs_of", [way for _, way in FEWER], ids=[name for name, _ in FEWER])
def test_the_last_layer_computes_fewer_tokens(outputs_of):
    graph = model(outputs_of)
    before, n_before = run(graph), multiplications(graph)
    select_used_tokens(graph)
    for expected, found in zip(before, run(graph), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    one_layer = (n_before - multiplications(model(outputs_of, 1))) / n_before
    assert n_before * (1 - one_layer) < multiplications(graph) < n_before * (1 - one_layer / 3)


def whole(node):
    return [opset13.reduce_mean(node, np.array([1]), False)]


@pytest.mark.parametrize(
    "outputs_of",
    [
        whole,
        lambda node: [cut(node, (1, N_TOKENS))],
        lambda node: [cut(node, CLASS_TOKEN), *whole(node)],
        lambda node: [cut(node, CLASS_TOKEN), cut(node, (1, 2))],
        lambda node: [cut(opset13.softmax(node, 1), CLASS_TOKEN)],
    ],
    ids=["mean", "most tokens", "class token and mean", "two parts", "softmax over tokens"],
)
def test_what_needs_all_tokens_stays(outputs_of):
    graph = model(outputs_of)
    before, n_before = run(graph), multiplications(graph)
    select_used_tokens(graph)
    assert multiplications(graph) == n_before
    for expected, found in zip(before, run(graph), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["vit", "clip", "dinov2", "timm_vit"])
def test_published_transformers_are_cut(name, monkeypatch):
    from featx import FeatureOptions
    from featx.extractor.engines.openvino import engine
    from featx.extractor.plan import make_plan

    plan = make_plan(FeatureOptions(backbone=str(FOLDER / name), precision="float32"))
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    counts = []

    def counting(graph):
        counts.append(multiplications(graph))
        select_used_tokens(graph)
        counts.append(multiplications(graph))

    monkeypatch.setattr(engine, "load_compiled", lambda *_: None)
    monkeypatch.setattr(engine, "select_used_tokens", counting)
    (found,) = engine.OpenVinoEngine(plan.network, "float32", 2).run(images)
    monkeypatch.setattr(engine, "select_used_tokens", lambda graph: None)
    (expected,) = engine.OpenVinoEngine(plan.network, "float32", 2).run(images)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert counts[1] < 0.9 * counts[0]
