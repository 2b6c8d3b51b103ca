"""The baselines' shapes: the published counts, and Keras' own."""

from __future__ import annotations

import numpy as np
import pytest

from featx.cache.errors import ConfigError
from featx.classifiers.baselines.graph import build_network, get_weights, set_weights
from featx.classifiers.baselines.networks import NETWORKS, RECORDS, NetworkRecord, find_network
from featx.classifiers.heads.registry import make_head
from featx.extractor.backbones import build_backbone
from featx.extractor.plan import FeatureOptions, make_plan


@pytest.mark.parametrize(("name", "n_params"), [("fc", 15_360_257), ("cnn5", 622_753)])
def test_two_classes_at_200_pixels_have_the_published_count(name: str, n_params: int) -> None:
    assert find_network(name).n_params((200, 200, 3), 2) == n_params


def test_mobilenet_v2_and_one_unit_on_its_pooled_features_have_the_published_count() -> None:
    options = FeatureOptions(backbone="mobilenet_v2", weights="random:0", precision="float32")
    plan = make_plan(options)
    backbone = build_backbone(plan.record, plan.weights, (224, 224))
    assert backbone.output_shape[-1] == 1280
    X = np.random.default_rng(0).normal(size=(20, 1280)).astype(np.float32)
    head = make_head("logreg", standardize=False).fit(X, np.arange(20) % 2)
    n_trained = head.coef_.size + head.intercept_.size
    assert n_trained == 1281
    assert backbone.count_params() + n_trained == 2_259_265 == plan.record.n_params + n_trained


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
@pytest.mark.parametrize(("channels", "n_classes"), [(1, 2), (3, 10)])
def test_network_has_the_weights_that_its_record_says(
    record: NetworkRecord, channels: int, n_classes: int
) -> None:
    shape = (record.min_size + 1, record.min_size + 1, channels)
    model = build_network(record, shape, n_classes)
    weights = get_weights(model)
    expected = record.weight_shapes(shape, n_classes)
    assert {name: values.shape for name, values in weights.items()} == expected
    assert model.count_params() == record.n_params(shape, n_classes)
    assert model.output_shape == (None, 1 if n_classes == 2 else n_classes)
    assert [layer.rate for layer in model.layers if layer.name.startswith("drop")] == [
        layer.rate for layer in record.layers if layer.kind == "drop"
    ]


@pytest.mark.parametrize("name", NETWORKS)
def test_one_pixel_less_than_the_minimum_is_refused_with_the_minimum(name: str) -> None:
    record = find_network(name)
    if record.min_size == 1:
        assert record.n_params((1, 1, 1), 2) > 0
        return
    assert build_network(record, (record.min_size, record.min_size, 1), 2).count_params()
    small = record.min_size - 1
    with pytest.raises(ConfigError, match=f"--size {record.min_size}"):
        record.weight_shapes((small, small, 1), 2)


def test_weights_go_from_one_model_to_another() -> None:
    record = find_network("cnn4")
    one, other = (build_network(record, (20, 20, 1), 3) for _ in range(2))
    set_weights(other, get_weights(one))
    first, second = get_weights(one), get_weights(other)
    assert all((first[name] == second[name]).all() for name in first)


def test_unknown_baseline_names_close_ones() -> None:
    with pytest.raises(ConfigError, match="cnn3"):
        find_network("cnn33")
