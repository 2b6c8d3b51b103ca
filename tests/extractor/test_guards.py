"""Each guard against a classic mistake: it holds, and its check fails once the guard is removed.

The table in docs/backbones.md names these tests.
"""

import dataclasses
import io
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from featx.cache.errors import ConfigError, WeightsMismatchError
from featx.extractor.backbones import BACKBONES, PREPROCESS, Preprocess, config_check, model_file
from featx.extractor.engines import run_rows
from featx.extractor.images import decode as decoding
from featx.extractor.images import encoded as encoded_image
from featx.extractor.images import resize as resample
from featx.extractor.images.geometry import Geometry
from featx.extractor.plan import FeatureOptions, make_plan

KERAS = {"caffe": "vgg19", "tf": "mobilenet", "torch": "densenet"}
RED = (200, 30, 10)


def preprocessing_is_the_publishers(mode="caffe"):
    x = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
    expected = getattr(keras.applications, KERAS[mode]).preprocess_input(x.astype(np.float32))
    found = keras.ops.convert_to_numpy(PREPROCESS[mode](x))
    assert np.abs(found - expected).max() <= 2e-6 * np.abs(expected).max()


def shrunk_checks_become_grey():
    """Squares of one pixel, shrunk eight times: nearest neighbour keeps black or white."""
    checks = np.indices((256, 256)).sum(0) % 2 * 255
    (pixels,) = decoding.decode(checks.astype(np.uint8), [Geometry(32, 32)])
    assert np.abs(pixels.astype(int) - 127).max() <= 8


def resize_to_the_nearest(patch):
    patch.setattr(resample, "IS_COMPILED", False)
    patch.setattr(resample, "FILTER", Image.Resampling.NEAREST)


def encoded(image, format_="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def turned_photograph_stands_upright():
    exif = Image.Exif()
    exif[274] = 6
    upright = np.zeros((24, 16, 3), np.uint8)
    upright[:12] = 255
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(upright)))
    (pixels,) = decoding.decode(encoded(stored, exif=exif), [Geometry(24, 16)])
    assert np.array_equal(pixels, upright)


def deep_grey_keeps_its_shades():
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (64, 1))
    (pixels,) = decoding.decode(encoded(Image.fromarray(ramp)), [Geometry(64, 64)])
    assert len(np.unique(pixels)) == 64


def clear_pixels_show_the_background():
    image = Image.new("RGBA", (8, 8), (*RED, 0))
    (pixels,) = decoding.decode(encoded(image), [Geometry(8, 8, background="#ffffff")])
    assert (pixels == 255).all()


def results_do_not_depend_on_the_last_batch():
    class Engine:
        name, batch_size = "counts its batch", 4

        def run(self, images):
            return (np.full((len(images), 1), len(images), np.float32),)

    images = np.zeros((3, 2, 2, 3), np.uint8)
    assert [out.tolist() for out in run_rows(Engine(), images)] == [[[4.0]] * 3]


def known_backbones_keep_their_preprocessing():
    with pytest.raises(ConfigError):
        make_plan(FeatureOptions(backbone="vgg19", weights="random:0", preprocess="tf"))


def too_small_images_are_refused():
    with pytest.raises(ConfigError, match="71 pixels or more"):
        make_plan(FeatureOptions(backbone="xception", weights="random:0", image_size=70))


def code_in_a_model_file_is_refused():
    planted = {"class_name": "Lambda", "config": {"function": ["code"]}}
    with pytest.raises(WeightsMismatchError):
        config_check.check_config({"class_name": "Sequential", "config": [planted]}, "a file")


def preprocess_with(patch, **changes):
    """Put a wrong constant into every mode."""
    right = Preprocess.__call__

    def wrong(self, x):
        return right(dataclasses.replace(self, **changes), x)

    patch.setattr(Preprocess, "__call__", wrong)


def scale_to_one(patch):
    right = Preprocess.__call__
    patch.setattr(Preprocess, "__call__", lambda self, x: right(self, np.float32(x) / 255))


def forget_transparency(patch):
    patch.setattr(encoded_image, "to_rgb", lambda image, *_: np.asarray(image.convert("RGB")))


def cut_deep_values(patch):
    patch.setattr(
        encoded_image, "to_8_bits", lambda values, *_: np.minimum(values, 255).astype(np.uint8)
    )


def no_padding(patch):
    patch.setitem(globals(), "run_rows", lambda engine, images: engine.run(images))


def take_any_preprocess(patch):
    patch.setattr(
        "featx.extractor.plan.choose_backbone",
        lambda name, mode, _: dataclasses.replace(BACKBONES[name], preprocess=mode),
    )


def take_any_size(patch):
    patch.setattr("featx.extractor.plan.choose_size", lambda record, layer, side: (side, side))


GUARDS = {
    "mean": (
        preprocessing_is_the_publishers,
        lambda patch: preprocess_with(patch, mean=(127.5, 127.5, 127.5)),
    ),
    "bgr": (preprocessing_is_the_publishers, lambda patch: preprocess_with(patch, bgr=False)),
    "range": (preprocessing_is_the_publishers, scale_to_one),
    "nearest": (
        shrunk_checks_become_grey,
        resize_to_the_nearest,
    ),
    "exif": (
        turned_photograph_stands_upright,
        lambda patch: patch.setattr(encoded_image, "turn", lambda pixels, _: pixels),
    ),
    "deep": (deep_grey_keeps_its_shades, cut_deep_values),
    "transparency": (clear_pixels_show_the_background, forget_transparency),
    "batch": (results_do_not_depend_on_the_last_batch, no_padding),
    "choice": (known_backbones_keep_their_preprocessing, take_any_preprocess),
    "size": (too_small_images_are_refused, take_any_size),
    "code": (
        code_in_a_model_file_is_refused,
        lambda patch: patch.setattr(config_check, "REFUSED", frozenset()),
    ),
}


@pytest.mark.parametrize("guard", GUARDS)
def test_guard_holds(guard):
    check, _ = GUARDS[guard]
    check()


@pytest.mark.parametrize("guard", GUARDS)
def test_check_fails_without_the_guard(guard, monkeypatch):
    check, remove = GUARDS[guard]
    remove(monkeypatch)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check()


@pytest.mark.parametrize("mode", KERAS)
def test_every_mode_is_the_publishers(mode):
    preprocessing_is_the_publishers(mode)


def test_model_files_are_checked_before_keras_sees_them(tmp_path, monkeypatch):
    path = tmp_path / "hostile.keras"
    x = keras.Input((8, 8, 3))
    keras.Model(x, keras.layers.Lambda(lambda y: y)(x)).save(path)
    asked = "featx.extractor.engines.keras_import.import_keras"
    monkeypatch.setattr(asked, lambda: pytest.fail("Keras was asked"))
    with pytest.raises(WeightsMismatchError):
        model_file.load_model(path, (8, 8))


def test_table_of_guards_names_tests_that_exist():
    root = Path(__file__).parents[2]
    named = re.findall(
        r"`(tests/[\w/.]+)::(\w+)(?:\[(\w+)\])?`", (root / "docs/backbones.md").read_text()
    )
    assert {case for _, _, case in named if case in GUARDS} == set(GUARDS)
    for file, function, _ in named:
        assert f"def {function}(" in (root / file).read_text(), f"{file}::{function}"
