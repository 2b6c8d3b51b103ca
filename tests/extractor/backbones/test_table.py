"""The table of backbones against Keras itself: every fact in it is asked of the real builders."""

import dataclasses
import importlib.util
import json
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

from featx.cache.errors import UnknownBackboneError
from featx.extractor.backbones import BACKBONES, PREPROCESS, find_backbone, find_layer
from featx.extractor.backbones.build import build_architecture
from featx.extractor.backbones.registry import TABLE

SCRIPT = Path(__file__).parents[3] / "scripts" / "describe_backbones.py"
ROWS = {row["name"]: row for row in json.loads(TABLE.read_text())}
LIGHT = ("vgg16", "mobilenet", "mobilenet_v3_small", "resnet50_v2", "convnext_tiny")
FAMILIES = ("vgg", "resnet", "mobilenet", "inception", "xception", "densenet", "nasnet")
by_weight = [
    pytest.param(name, marks=() if name in LIGHT else pytest.mark.long) for name in sorted(ROWS)
]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("describe_backbones", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def preprocess_input(record):
    module = record.builder.split(":")[0]
    return getattr(keras.applications, module).preprocess_input


def test_table_holds_every_family_of_keras_applications():
    builders = {record.builder.split(":")[1] for record in BACKBONES.values()}
    published = {
        name
        for name in dir(keras.applications)
        if callable(getattr(keras.applications, name))
        # Heads of families and of parts that have no weights of their own.
        and name not in ("NASNet",)
    }
    assert published <= builders
    ours = {name for name, record in BACKBONES.items() if record.is_embedded}
    assert len(BACKBONES) == 40 + len(ours) and ours == {"efficientnet_lite0", "pixels"}


def test_records_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        BACKBONES["vgg16"].preprocess = "tf"


@pytest.mark.parametrize("name", by_weight)
def test_record_says_what_keras_says(script, name):
    assert script.describe(name) == ROWS[name]


@pytest.mark.parametrize("name", sorted(ROWS))
def test_preprocess_equals_the_publishers_own(name):
    record = BACKBONES[name]
    x = np.random.default_rng(0).integers(0, 256, (2, 5, 5, 3), dtype=np.uint8)
    expected = preprocess_input(record)(x.astype(np.float32))
    found = keras.ops.convert_to_numpy(PREPROCESS[record.preprocess](x))
    np.testing.assert_allclose(found, expected, atol=2e-6 * np.abs(expected).max(), rtol=0)


@pytest.mark.parametrize("name", by_weight)
def test_backbone_is_built_at_its_least_size_and_not_below(name):
    record = BACKBONES[name]
    model = build_architecture(record, False, (record.min_size, record.min_size))
    assert model.output_shape[-1] == record.n_features
    with pytest.raises(ValueError, match=str(record.min_size)):
        build_architecture(record, False, (record.min_size - 1, record.min_size - 1))


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "mobilenet"])
def test_layer_names_do_not_depend_on_what_was_built_before(name):
    record = BACKBONES[name]
    keras.backend.clear_session()
    builder = getattr(keras.applications, record.builder.split(":")[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fresh = builder(weights=None, input_shape=(64, 64, 3), pooling=None)
    names = [layer.name for layer in fresh.layers]
    for _ in range(2):
        model = build_architecture(record, True, (64, 64))
        assert [layer.name for layer in model.layers][1:] == names[1:]
        assert find_layer(model, record.layer).output.shape[-1] == record.n_features


@pytest.mark.parametrize(
    "spelling", ["MobileNetV2", "mobilenet-v2", "MOBILENET_V2", "mobilenetv2", "mobilenet_v2"]
)
def test_find_backbone_takes_any_spelling(spelling):
    assert find_backbone(spelling).name == "mobilenet_v2"


def test_find_backbone_lists_close_matches():
    with pytest.raises(UnknownBackboneError, match="Did you mean resnet50"):
        find_backbone("resnet5")
