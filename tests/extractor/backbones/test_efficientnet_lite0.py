"""The embedded backbone: its architecture, its weights' provenance, and what it sees."""

import hashlib
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import skimage.data
from PIL import Image
from sklearn.datasets import load_sample_image

from featx import extractor
from featx.extractor.backbones import efficientnet_lite0

DATA = Path(extractor.__file__).parent / "data"
WEIGHTS = DATA / "efficientnet_lite0.weights.h5"
N_PARAMETERS = 4_694_024


def preprocess(image, size=224, short_side=256):
    """Resize the short side, crop the centre, scale as EfficientNet-lite was trained."""
    pil = Image.fromarray(image)
    scale = short_side / min(pil.size)
    width, height = (round(side * scale) for side in pil.size)
    left, top = (width - size) // 2, (height - size) // 2
    pil = pil.resize((width, height), Image.Resampling.BICUBIC)
    crop = pil.crop((left, top, left + size, top + size))
    return (np.asarray(crop, np.float32)[None] - 127) / 128


def probe(n=2, size=64):
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (n, size, size, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def provenance():
    return json.loads((DATA / "efficientnet_lite0.json").read_text())


@pytest.fixture(scope="module")
def model():
    built = efficientnet_lite0.build()
    built.load_weights(WEIGHTS)
    return built


def test_build_has_the_published_parameter_count(provenance):
    assert efficientnet_lite0.build().count_params() == N_PARAMETERS
    assert provenance["n_parameters"] == N_PARAMETERS


def test_weights_file_is_the_one_its_provenance_describes(provenance):
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() == provenance["weights"]["sha256"]
    assert WEIGHTS.stat().st_size == provenance["weights"]["n_bytes"]


@pytest.mark.parametrize(
    ("load", "classes", "least"),
    [
        pytest.param(skimage.data.coffee, {967}, 0.9, id="coffee-is-espresso"),
        pytest.param(skimage.data.chelsea, {281, 282, 285}, 0.8, id="chelsea-is-a-house-cat"),
        pytest.param(
            lambda: load_sample_image("flower.jpg"), {985}, 0.3, id="flower-is-taken-for-a-daisy"
        ),
    ],
)
def test_model_recognises_a_photograph(model, load, classes, least):
    probabilities = keras.ops.convert_to_numpy(model(preprocess(load()), training=False))[0]
    assert int(probabilities.argmax()) in classes
    assert probabilities[list(classes)].sum() > least
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_layer_names_are_stable():
    names = {layer.name for layer in efficientnet_lite0.build().layers}
    assert names >= {
        *("stem_conv", "stem_bn", "stem_activation"),
        *("block1a_dwconv", "block1a_bn", "block1a_activation", "block1a_project_conv"),
        *("block2a_expand_conv", "block2a_expand_bn", "block2a_expand_activation"),
        *("block2b_add", "block6d_add", "block7a_project_bn"),
        *("top_conv", "top_bn", "top_activation", "avg_pool", "logits", "predictions"),
    }
    assert not names & {"block1a_expand_conv", "block2a_add", "block5a_add", "block7a_add"}


@pytest.mark.parametrize(("size", "side"), [(150, 5), (192, 6), (224, 7), (256, 8)])
def test_build_takes_other_image_sizes(size, side):
    model = efficientnet_lite0.build(include_top=False, input_shape=(size, size, 3))
    assert model.get_layer("top_activation").output.shape == (None, side, side, 1280)
    assert model.output_shape == (None, 1280)


def test_model_without_top_gives_the_same_features_at_size_150(model):
    x = probe(size=150)
    headless = efficientnet_lite0.build(include_top=False, input_shape=(150, 150, 3))
    headless.load_weights(WEIGHTS)
    full = efficientnet_lite0.build(input_shape=(150, 150, 3))
    full.set_weights(model.get_weights())
    features = keras.Model(full.input, full.get_layer("avg_pool").output)
    X = keras.ops.convert_to_numpy(headless(x, training=False))
    assert X.shape == (2, efficientnet_lite0.N_FEATURES)
    expected = keras.ops.convert_to_numpy(features(x, training=False))
    np.testing.assert_allclose(X, expected, atol=1e-5)
    assert X.std() > 0.1


def test_feature_map_lies_within_relu6(model):
    feature_map = keras.Model(model.input, model.get_layer("top_activation").output)
    values = keras.ops.convert_to_numpy(feature_map(100 * probe(size=224), training=False))
    assert values.min() == 0
    assert values.max() == 6


def test_predictions_are_the_softmax_of_logits(model):
    both = keras.Model(model.input, [model.get_layer("logits").output, model.output])
    logits, probabilities = both(probe(size=224), training=False)
    expected = keras.ops.softmax(logits)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(probabilities), keras.ops.convert_to_numpy(expected), atol=1e-6
    )
