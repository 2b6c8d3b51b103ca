"""The features are exactly what keras.applications computes from the same pixels.

Every backbone runs with random weights through the whole of featx (files, decoding, engine, cache)
and, apart from it, through its own builder and its own `preprocess_input`.
"""

import warnings

import keras
import numpy as np
import pytest
from PIL import Image

from featx.cache import FeatureStore
from featx.extractor import FeatureOptions, RunOptions, extract_features
from featx.extractor.backbones import BACKBONES
from featx.extractor.backbones.build import set_random_weights
from featx.extractor.run_options import LogObserver

SEED = 7
TOLERANCE = 1e-5
EXACT = {"precision": "float32"}
KERAS = RunOptions(engine="keras")
PUBLISHED = sorted(name for name, record in BACKBONES.items() if not record.is_embedded)
LIGHT = ("mobilenet", "mobilenet_v3_small", "vgg16")
FULL_BATCH_GMACS = 5
by_cost = [
    pytest.param(name, marks=() if name in LIGHT else pytest.mark.long) for name in PUBLISHED
]


def write_images(root, n_images, side):
    """Write images of other shapes than the backbone's; return the pixels that it shall see."""
    root.mkdir()
    rng = np.random.default_rng(0)
    seen = []
    for i in range(n_images):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        image = coarse.resize((side + 13 * (i % 3), side + 7 * (i % 2)), Image.Resampling.BICUBIC)
        image.save(root / f"{i:03d}.png")
        seen.append(np.asarray(image.resize((side, side), Image.Resampling.BICUBIC)))
    return np.stack(seen)


def reference(name, pixels, batch_size=3):
    """Compute the pooled features with Keras alone.

    On single images Keras' own kernels round otherwise than on batches, and the deepest networks
    with random weights make 4e-3 of that (EfficientNetV2M): compare singles with singles.
    """
    module, function = BACKBONES[name].builder.split(":")
    side = pixels.shape[1]
    model = getattr(keras.applications, function)(
        weights=None, include_top=False, pooling="avg", input_shape=(side, side, 3)
    )
    set_random_weights(model, SEED)
    x = getattr(keras.applications, module).preprocess_input(pixels.astype(np.float32))
    starts = range(0, len(x), batch_size)
    return np.concatenate([model.predict_on_batch(x[i : i + batch_size]) for i in starts])


def extract(root, name, side, cache, **run):
    options = FeatureOptions(backbone=name, weights=f"random:{SEED}", image_size=side, **EXACT)
    report = extract_features(root, options, cache=cache, run=RunOptions(engine="keras", **run))
    return FeatureStore(cache).open_features(report.name).X[:], report


def assert_equal(found, expected):
    scale = np.abs(expected).max(axis=1, keepdims=True)
    assert np.isfinite(expected).all() and (scale > 0).all()
    assert (np.abs(found - expected) / scale).max() < TOLERANCE


class StopAfter(LogObserver):
    """An observer that interrupts a run, as Ctrl-C does."""

    def __init__(self, n_images):
        self.left = n_images

    def advance(self, n_images):
        self.left -= n_images
        if self.left <= 0:
            raise KeyboardInterrupt


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("name", by_cost)
def test_features_equal_keras_at_another_size(tmp_path, name):
    side = BACKBONES[name].min_size + 9
    pixels = write_images(tmp_path / "images", 13, side)
    singles, batches = reference(name, pixels, 1), reference(name, pixels)
    for batch_size, expected in ((1, singles), (5, batches), (12, batches)):
        found, _ = extract(
            tmp_path / "images", name, side, tmp_path / f"cache{batch_size}", batch_size=batch_size
        )
        assert_equal(found, expected)


@pytest.mark.long
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("name", PUBLISHED)
def test_features_equal_keras_at_the_default_size(tmp_path, name):
    record = BACKBONES[name]
    n_images = 33 if record.gmacs < FULL_BATCH_GMACS else 9
    pixels = write_images(tmp_path / "images", n_images, record.image_size)
    singles, batches = reference(name, pixels, 1), reference(name, pixels)
    for batch_size, expected in ((1, singles), (7, batches), (32, batches)):
        found, _ = extract(
            tmp_path / "images", name, None, tmp_path / f"cache{batch_size}", batch_size=batch_size
        )
        assert_equal(found, expected)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n == "mobilenet" else pytest.mark.long) for n in PUBLISHED]
)
def test_features_equal_keras_after_an_interrupted_run(tmp_path, name):
    side = BACKBONES[name].min_size
    expected = reference(name, write_images(tmp_path / "images", 12, side))
    options = FeatureOptions(backbone=name, weights=f"random:{SEED}", image_size=side, **EXACT)
    with pytest.raises(KeyboardInterrupt):
        extract_features(
            tmp_path / "images",
            options,
            cache=tmp_path / "cache",
            run=RunOptions(engine="keras", batch_size=4),
            observer=StopAfter(4),
        )
    found, report = extract(tmp_path / "images", name, side, tmp_path / "cache", batch_size=4)
    assert 0 < report.record.n_extracted < 12
    assert_equal(found, expected)


@pytest.mark.long
@pytest.mark.parametrize("layer", ["fc1", "fc2", "predictions"])
def test_classic_layers_of_vgg_equal_keras(tmp_path, layer):
    pixels = write_images(tmp_path / "images", 2, 224)
    options = FeatureOptions(backbone="vgg16", weights=f"random:{SEED}", layer=layer, **EXACT)
    report = extract_features(tmp_path / "images", options, cache=tmp_path / "cache", run=KERAS)
    found = FeatureStore(tmp_path / "cache").open_features(report.name).X[:]
    model = keras.applications.VGG16(weights=None)
    set_random_weights(model, SEED)
    tapped = keras.Model(model.input, model.get_layer(layer).output)
    x = keras.applications.vgg16.preprocess_input(pixels.astype(np.float32))
    assert found.shape[1] == {"fc1": 4096, "fc2": 4096, "predictions": 1000}[layer]
    assert_equal(found, tapped.predict_on_batch(x))


def test_top_equals_keras_for_each_kind_of_head(tmp_path):
    for name in ("mobilenet", "mobilenet_v3_small"):
        root = tmp_path / name
        pixels = write_images(root, 3, 64)
        options = FeatureOptions(
            backbone=name, weights=f"random:{SEED}", image_size=64, layer="predictions", **EXACT
        )
        report = extract_features(root, options, cache=tmp_path / "cache", run=KERAS)
        found = FeatureStore(tmp_path / "cache").open_features(report.name).X[:]
        module, function = BACKBONES[name].builder.split(":")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = getattr(keras.applications, function)(weights=None, input_shape=(64, 64, 3))
        set_random_weights(model, SEED)
        x = getattr(keras.applications, module).preprocess_input(pixels.astype(np.float32))
        assert_equal(found, model.predict_on_batch(x))
