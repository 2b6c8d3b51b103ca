"""Any layer by name, also inside nested models."""

import keras
import numpy as np
import pytest

from featx.cache.errors import UnknownBackboneError
from featx.extractor.backbones import BACKBONES, find_layer
from featx.extractor.backbones.build import build_architecture
from featx.extractor.backbones.layers import LAST_MAP


def inner(name="inner", pooled=False):
    x = inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 3, name="first")(x)
    x = keras.layers.Conv2D(5, 3, name="second")(x)
    if pooled:
        x = keras.layers.GlobalAveragePooling2D(name="pooled")(x)
    return keras.Model(inputs, x, name=name)


def outer(*nested):
    x = inputs = keras.Input((16, 16, 3))
    x = keras.layers.Rescaling(1 / 255, name="rescale")(x)
    branches = [model(x) for model in nested]
    x = keras.layers.Concatenate(name="joined")(branches) if len(branches) > 1 else branches[0]
    if len(x.shape) == 4:
        x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, keras.layers.Dense(2, name="dense")(x), name="outer")


def values(model, name, x):
    return keras.ops.convert_to_numpy(keras.Model(model.input, find_layer(model, name).output)(x))


def probe():
    return np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype(np.float32)


@pytest.mark.parametrize("name", ["first", "inner/first"])
def test_find_layer_reaches_into_a_nested_model(name):
    nested = inner()
    x = probe()
    found = values(outer(nested), name, x)
    expected = keras.ops.convert_to_numpy(nested.get_layer("first")(x / np.float32(255)))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(("pooled", "name"), [(False, "inner"), (True, "second")])
def test_last_map_is_found_through_a_nested_model(pooled, name):
    model = outer(inner(pooled=pooled))
    found = find_layer(model, LAST_MAP)
    assert found.name == name
    assert tuple(found.output.shape) == (None, 12, 12, 5)
    assert values(model, LAST_MAP, probe()).shape == (2, 12, 12, 5)


def test_find_layer_asks_for_the_path_where_a_name_is_not_unique():
    model = outer(inner("left"), inner("right"))
    with pytest.raises(UnknownBackboneError, match="left/first, right/first"):
        find_layer(model, "first")
    assert find_layer(model, "right/first").output.shape[-1] == 4


def test_find_layer_lists_close_matches():
    with pytest.raises(UnknownBackboneError, match="Did you mean second"):
        find_layer(outer(inner()), "secnd")


def test_find_layer_names_close_matches_that_are_only_in_the_top():
    with pytest.raises(UnknownBackboneError, match="Did you mean fc"):
        find_layer(outer(inner()), "fc3", absent=("fc1", "fc2"))


def test_last_map_of_a_model_without_maps_names_its_layers():
    x = keras.Input((4,))
    model = keras.Model(x, keras.layers.Dense(2, name="dense_of_mine")(x))
    with pytest.raises(UnknownBackboneError, match="dense_of_mine"):
        find_layer(model, LAST_MAP)


def test_layers_inside_convnexts_stem_can_be_tapped():
    model = build_architecture(BACKBONES["convnext_tiny"], False, (32, 32))
    assert tuple(find_layer(model, "convnext_tiny_stem_conv").output.shape) == (None, 8, 8, 96)
