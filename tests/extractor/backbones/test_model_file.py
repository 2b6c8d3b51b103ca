"""A person's own Keras model as a backbone; and that no code in a file runs."""

import json
import zipfile

import h5py
import keras
import numpy as np
import pytest
from PIL import Image

from featx.cache import FeatureStore
from featx.cache.errors import ConfigError, WeightsMismatchError, WeightsNotFoundError
from featx.extractor import FeatureOptions, RunOptions, extract_features
from featx.extractor.backbones.model_file import describe_model_file, load_model
from featx.extractor.plan import make_plan, plan_for

SIDE = 48
pytestmark = pytest.mark.filterwarnings("ignore:.*HDF5 file.*")


@pytest.fixture(scope="module")
def nested():
    keras.utils.set_random_seed(0)
    base = keras.applications.MobileNetV2(
        include_top=False, weights=None, input_shape=(SIDE, SIDE, 3), alpha=0.35
    )
    x = inputs = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.RandomFlip()(x)
    x = keras.layers.GlobalAveragePooling2D()(base(x))
    return keras.Model(inputs, keras.layers.Dense(3, name="answer")(x)), base


@pytest.fixture
def images(tmp_path):
    root = tmp_path / "images"
    root.mkdir()
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (5, SIDE, SIDE, 3), dtype=np.uint8)
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(root / f"{i}.png")
    return root, pixels.astype(np.float32)


def extract(tmp_path, root, **options):
    cache = tmp_path / "cache"
    features = FeatureOptions(precision="float32", **options)
    report = extract_features(root, features, cache=cache, run=RunOptions(engine="keras"))
    return report, FeatureStore(cache).open_features(report.name)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_model_file_with_a_nested_backbone_gives_its_last_map(tmp_path, nested, images, ending):
    model, base = nested
    path = tmp_path / f"mine{ending}"
    model.save(path)
    report, stored = extract(tmp_path, images[0], backbone=str(path), preprocess="none")
    expected = keras.ops.convert_to_numpy(base(images[1], training=False)).mean((1, 2))
    np.testing.assert_allclose(stored.X[:], expected, atol=1e-5 * np.abs(expected).max())
    spec = FeatureStore(tmp_path / "cache").find(report.name).spec
    assert (spec.backbone, spec.layer, spec.image_size) == (path.name, "last_map", (SIDE, SIDE))


def test_sequential_model_with_a_nested_backbone_gives_any_layer(tmp_path, nested, images):
    base = nested[1]
    first = [keras.Input((SIDE, SIDE, 3)), keras.layers.Rescaling(1 / 127.5, -1), base]
    path = tmp_path / "mine.keras"
    keras.Sequential([*first, keras.layers.Flatten(), keras.layers.Dense(2)]).save(path)
    expected = keras.ops.convert_to_numpy(base(images[1] / 127.5 - 1, training=False)).mean((1, 2))
    for layer in (None, base.name, "out_relu"):
        _, stored = extract(tmp_path, images[0], backbone=str(path), preprocess="none", layer=layer)
        np.testing.assert_allclose(stored.X[:], expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("layer", ["answer", "block_13_expand_BN"])
def test_model_file_gives_any_layer(tmp_path, nested, images, layer):
    model, base = nested
    path = tmp_path / "mine.keras"
    model.save(path)
    _, stored = extract(tmp_path, images[0], backbone=str(path), preprocess="none", layer=layer)
    if layer == "answer":
        expected = keras.ops.convert_to_numpy(model(images[1], training=False))
    else:
        tapped = keras.Model(base.input, base.get_layer(layer).output)
        expected = keras.ops.convert_to_numpy(tapped(images[1], training=False)).mean((1, 2))
    np.testing.assert_allclose(stored.X[:], expected, atol=1e-5 * np.abs(expected).max())


def test_preprocess_mode_of_a_model_file_reaches_the_pixels(tmp_path, nested, images):
    model, base = nested
    path = tmp_path / "mine.keras"
    model.save(path)
    _, stored = extract(tmp_path, images[0], backbone=str(path), preprocess="caffe")
    x = keras.applications.imagenet_utils.preprocess_input(images[1].copy(), mode="caffe")
    expected = keras.ops.convert_to_numpy(base(x, training=False)).mean((1, 2))
    np.testing.assert_allclose(stored.X[:], expected, atol=1e-5 * np.abs(expected).max())


def test_plan_for_a_model_file_is_found_again_by_its_path(tmp_path, nested):
    path = tmp_path / "mine.keras"
    nested[0].save(path)
    spec = make_plan(FeatureOptions(backbone=str(path), preprocess="tf")).spec
    assert plan_for(spec, str(path)).spec == spec
    moved = path.rename(tmp_path / "moved.keras")
    assert plan_for(spec, str(moved)).spec == spec
    assert plan_for(spec, "imagenet").spec == spec  # found where it was last used
    moved.unlink()
    with pytest.raises(WeightsNotFoundError, match=r"mine\.keras.*--weights PATH"):
        plan_for(spec, "imagenet")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Say --preprocess"),
        ({"preprocess": "caffee"}, "unknown preprocess mode"),
        ({"preprocess": "tf", "weights": "random:0"}, "leave --weights out"),
        ({"preprocess": "tf", "image_size": 64}, "48×48 pixels only"),
    ],
)
def test_options_that_do_not_fit_a_model_file_are_named(tmp_path, nested, options, message):
    path = tmp_path / "mine.keras"
    nested[0].save(path)
    with pytest.raises(ConfigError, match=message):
        make_plan(FeatureOptions(backbone=str(path), **options))


def test_preprocess_of_a_known_backbone_cannot_be_changed():
    with pytest.raises(ConfigError, match="was trained with the preprocessing 'caffe'"):
        make_plan(FeatureOptions(backbone="vgg19", preprocess="tf", weights="random:0"))


def test_weights_without_a_model_say_how_to_use_them(tmp_path, nested):
    path = tmp_path / "only.weights.h5"
    nested[0].save_weights(path)
    with pytest.raises(WeightsMismatchError, match="--backbone NAME --weights"):
        describe_model_file(path, "tf")


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_file_that_is_no_model_is_named(tmp_path, ending):
    path = tmp_path / f"x{ending}"
    with pytest.raises(WeightsNotFoundError, match="no Keras model at"):
        describe_model_file(path, "tf")
    path.write_bytes(b"nothing of that kind")
    with pytest.raises(WeightsMismatchError, match="is no Keras model"):
        describe_model_file(path, "tf")


def test_model_of_grey_images_is_refused(tmp_path):
    path = tmp_path / "grey.keras"
    x = keras.Input((8, 8, 1))
    keras.Model(x, keras.layers.Conv2D(2, 3)(x)).save(path)
    with pytest.raises(WeightsMismatchError, match="expected RGB images"):
        load_model(path, (8, 8))


def lambda_model(marker):
    x = inputs = keras.Input((8, 8, 3))
    source = f"__import__('pathlib').Path({str(marker)!r}).touch()"
    code = eval(f"lambda x: (x, {source})[0]")
    return keras.Model(inputs, keras.layers.Lambda(code, output_shape=(8, 8, 3))(x))


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_lambda_in_a_file_does_not_run(tmp_path, ending):
    marker = tmp_path / "it-ran"
    path = tmp_path / f"hostile{ending}"
    lambda_model(marker).save(path)
    marker.unlink(missing_ok=True)
    with pytest.raises(WeightsMismatchError, match="runs no code from files"):
        load_model(path, (8, 8))
    assert not marker.exists()


def with_config(path, change):
    """Rewrite the configuration inside a model file."""
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            change(config)
            file.attrs["model_config"] = json.dumps(config)
        return
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize(
    "planted",
    [
        {"module": "os", "class_name": "function", "config": "system"},
        {"module": "keras.utils", "class_name": "function", "config": "get_file"},
        {"module": "mine", "class_name": "Layer", "config": {}, "registered_name": "mine>Layer"},
        {"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {}},
        {"class_name": "__lambda__", "config": {"value": ""}},
    ],
)
def test_classes_that_are_no_part_of_a_network_are_refused(tmp_path, ending, planted):
    path = tmp_path / f"hostile{ending}"
    x = keras.Input((8, 8, 3))
    keras.Model(x, keras.layers.Conv2D(2, 3, activation="relu")(x)).save(path)
    load_model(path, (8, 8))
    with_config(path, lambda config: config["config"]["layers"][1]["config"].update(hook=planted))
    with pytest.raises(WeightsMismatchError, match=r"runs no code|not a part of Keras"):
        load_model(path, (8, 8))


@pytest.mark.parametrize(
    "builder",
    [
        "MobileNetV3Small",
        pytest.param("ConvNeXtTiny", marks=pytest.mark.long),
        pytest.param("EfficientNetB0", marks=pytest.mark.long),
        pytest.param("NASNetMobile", marks=pytest.mark.long),
    ],
)
def test_saved_applications_pass_the_check(tmp_path, builder):
    path = tmp_path / "saved.keras"
    build = getattr(keras.applications, builder)
    build(weights=None, include_top=False, input_shape=(64, 64, 3)).save(path)
    assert load_model(path, (64, 64)).input_shape == (None, 64, 64, 3)
