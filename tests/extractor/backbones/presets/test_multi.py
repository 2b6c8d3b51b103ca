"""The preset ``multi`` of networks of Keras and of graphs."""

from __future__ import annotations

import pytest

from featx.cache.errors import ConfigError, UnknownBackboneError
from featx.extractor import FeatureOptions, options_of_preset
from featx.extractor.backbones.presets.multi import inner_layers
from featx.extractor.backbones.registry import BACKBONES

ENDS = {
    "efficientnet_lite0": ["block3b_add", "block5c_add", "block6d_add"],
    "mobilenet": ["conv_pw_3_relu", "conv_pw_5_relu", "conv_pw_11_relu"],
    "vgg16": ["block3_conv3", "block4_conv3", "block5_conv3"],
}
MORE = {
    "resnet50": ["conv2_block3_out", "conv3_block4_out", "conv4_block6_out"],
    "mobilenet_v2": ["block_5_add", "block_12_add", "block_15_add"],
    "densenet121": ["conv2_block6_concat", "conv3_block12_concat", "conv4_block24_concat"],
}


@pytest.mark.parametrize(
    "name", [*ENDS, *(pytest.param(name, marks=pytest.mark.long) for name in MORE)]
)
def test_ends_of_stages_are_found(name: str) -> None:
    record = BACKBONES[name]
    side = record.image_size
    assert inner_layers(record, (side, side)) == {**ENDS, **MORE}[name]


def test_the_preset_is_the_last_layer_and_three_inner_ones() -> None:
    options = FeatureOptions(image_size=64, precision="float32")
    several = options_of_preset("multi", options)
    assert several[0] == options
    assert [one.layer for one in several[1:]] == ENDS["efficientnet_lite0"]
    assert {one.pool for one in several[1:]} == {"grid:2"}
    assert {one.image_size for one in several} == {64}


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown preset 'multy'. Did you mean multi\?"):
        options_of_preset("multy", FeatureOptions())
    with pytest.raises(ConfigError, match="leave layer and pool away"):
        options_of_preset("multi", FeatureOptions(pool="avg"))
    with pytest.raises(UnknownBackboneError, match="the stages of pixels cannot be told"):
        options_of_preset("multi", FeatureOptions(backbone="pixels"))
