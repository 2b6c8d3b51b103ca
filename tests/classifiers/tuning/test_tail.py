"""Cutting a backbone after a layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from graphs_shared import convolution, save_graph

from featx.cache.errors import ConfigError, UnknownBackboneError
from featx.classifiers.tuning.tail import cut_tail
from featx.extractor.backbones import build_backbone, find_layer
from featx.extractor.plan import FeatureOptions, Plan, make_plan


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(FeatureOptions(image_size=32, precision="float32"))


def test_front_and_tail_together_are_the_backbone(plan: Plan) -> None:
    import keras

    images = np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype(np.float32)
    backbone = build_backbone(plan.record, plan.weights, (32, 32))
    whole = backbone.predict_on_batch(images)
    for layer in ("block5c_add", "block6d_add"):
        tail = cut_tail(plan, layer)
        front = keras.Model(backbone.input, find_layer(backbone, layer).output)
        maps = front.predict_on_batch(images)
        assert maps.shape[1:] == tail.map_shape
        assert tail.features(maps) == pytest.approx(whole, abs=1e-5)


def test_weights_that_are_taken_and_applied_give_the_same_backbone(plan: Plan) -> None:
    tail = cut_tail(plan, "block6d_add")
    before = tail.weights()
    assert before.digest == cut_tail(plan, "block6d_add").weights().digest
    for layer in tail.layers:
        layer.set_weights([values * 1.5 for values in layer.get_weights()])
    changed = tail.weights()
    assert changed.digest != before.digest
    backbone = build_backbone(plan.record, plan.weights, (32, 32))
    changed.apply(backbone)
    for layer in tail.layers:
        for mine, theirs in zip(
            layer.get_weights(), backbone.get_layer(layer.name).get_weights(), strict=True
        ):
            assert (mine == theirs).all()
    again = type(changed).read(changed.kept())
    assert again.digest == changed.digest and again.layer == "block6d_add"


@pytest.mark.parametrize("layer", ["block6d_expand_conv", "top_activation"])
def test_a_cut_that_leaves_data_or_nothing_behind_names_those_that_do_not(
    plan: Plan, layer: str
) -> None:
    with pytest.raises(ConfigError, match="block6d_add"):
        cut_tail(plan, layer)


def test_a_graph_is_refused_with_what_to_type(tmp_path: Path) -> None:
    node, weights = convolution()
    path = save_graph(tmp_path / "graph.onnx", [node], ["map"], weights)
    options = FeatureOptions(backbone=str(path), preprocess="none", precision="float32", pool="avg")
    graph = make_plan(options)
    with pytest.raises(ConfigError, match="featx extract PHOTOS --backbone efficientnet_lite0"):
        cut_tail(graph, "map")


def test_unknown_layer_names_close_ones(plan: Plan) -> None:
    with pytest.raises(UnknownBackboneError, match="block6d_add"):
        cut_tail(plan, "block6d_ad")
