"""Files that state a backbone's preprocessing, and what is refused of them."""

from __future__ import annotations

import json

import pytest

from featx.cache.errors import ConfigError
from featx.extractor.backbones import find_preprocess
from featx.extractor.backbones.preprocessing import read_preprocessing
from featx.extractor.backbones.preprocessing.hugging_face import read_hugging_face
from featx.extractor.backbones.preprocessing.timm import read_timm

HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
SQUARE = {"height": 48, "width": 32}
TIMM = {"input_size": [3, 224, 224], "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


def read(**fields):
    published = read_hugging_face(fields, "x.json")
    return published.image_size, published.resize, published.interpolation, published.preprocess


@pytest.mark.parametrize(
    ("fields", "size", "resize", "interpolation"),
    [
        ({"size": SQUARE}, (48, 32), "exact:48x32", "bilinear"),
        ({"size": 32}, (32, 32), "exact:32x32", "bilinear"),
        ({"size": 32, "resample": 3}, (32, 32), "exact:32x32", "bicubic"),
        ({"size": 32, "feature_extractor_type": "ViTFeatureExtractor"}, (32, 32), "exact:32x32",
         "bilinear"),
        ({"size": 40, "crop_size": 32, "image_processor_type": "CLIPImageProcessorFast"}, (32, 32),
         "shortest:40", "bicubic"),
        ({"size": {"shortest_edge": 36}, "crop_size": {"height": 30, "width": 32}}, (30, 32),
         "shortest:36", "bilinear"),
        ({"size": 256, "crop_size": 224, "image_processor_type": "DeiTImageProcessor"}, (224, 224),
         "exact:256x256", "bicubic"),
        ({"size": {"shortest_edge": 224}, "image_processor_type": "ConvNextImageProcessor"},
         (224, 224), "shortest:256", "bicubic"),
        ({"size": {"shortest_edge": 384}, "image_processor_type": "ConvNextImageProcessorPil"},
         (384, 384), "exact:384x384", "bicubic"),
        ({"size": 224, "crop_pct": 0.95, "image_processor_type": "ConvNextFeatureExtractor"},
         (224, 224), "shortest:235", "bicubic"),
    ],
)  # fmt: skip
def test_geometries_of_hugging_face(fields, size, resize, interpolation):
    assert read(**HALF, **fields) == (size, resize, interpolation, "tf")


def test_normalisations_of_hugging_face():
    assert read(size=32, do_normalize=False)[3] == "unit"
    assert read(size=32, do_normalize=False, do_rescale=False)[3] == "none"
    caffe = read(
        size=32, do_rescale=False, image_mean=[103.939, 116.779, 123.68], image_std=[1, 1, 1],
        do_flip_channel_order=True,
    )  # fmt: skip
    assert caffe[3] == "caffe"
    own = read(size=32, image_mean=[0.1, 0.2, 0.3], image_std=[0.4, 0.5, 0.6])[3]
    assert own == "mean:25.5,51.0,76.5;scale:102.0,127.5,153.0"
    assert find_preprocess(own).name == own and find_preprocess("imagenet").name == "torch"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({**HALF}, "does not say its `size`"),
        ({"size": 32, "image_mean": [0.5]}, "does not say its `image_std`"),
        ({"size": 32, "do_normalize": True}, "does not say its `image_mean`"),
        ({"size": {"shortest_edge": 32}, **HALF}, "different sizes"),
        ({"size": {"shortest_edge": 32, "longest_edge": 64}, **HALF}, "longest edge"),
        (
            {"size": 32, "crop_size": 40, "do_center_crop": True, **HALF},
            "featx does not pad",
        ),
        ({"size": 32, "do_pad": True, **HALF}, "pads images"),
        ({"size": 32, "do_resize": False, **HALF}, "resizes no image"),
        ({"size": 32, "resample": 9, **HALF}, "unknown resample"),
        ({"size": "large", **HALF}, "Expected a number of pixels"),
        ({"size": 32, "image_mean": "a", "image_std": [1]}, "a number for each of 3 channels"),
        ({"size": 32, "image_processor_type": "LevitImageProcessor", **HALF}, "does not know"),
    ],
)
def test_what_featx_does_not_do_is_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        read(**fields)


@pytest.mark.parametrize(
    ("fields", "size", "resize", "interpolation"),
    [
        ({"crop_pct": 0.9, "interpolation": "bicubic"}, (224, 224), "shortest:248:rounded",
         "bicubic"),
        ({"crop_pct": 1.0, "crop_mode": "squash"}, (224, 224), "exact:224x224:rounded", "bilinear"),
        ({}, (224, 224), "shortest:256:rounded", "bilinear"),
        ({"input_size": [3, 32, 64], "crop_mode": "squash", "crop_pct": 0.5}, (32, 64),
         "exact:64x128:rounded", "bilinear"),
    ],
)  # fmt: skip
def test_geometries_of_timm(fields, size, resize, interpolation):
    published = read_timm({**TIMM, **fields}, "config.json")
    stated = (published.image_size, published.resize, published.interpolation)
    assert stated == (size, resize, interpolation) and published.preprocess == "torch"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mean": None}, "does not say its `mean`"),
        ({"crop_mode": "border"}, "'border'"),
        ({"input_size": [3, 32, 64]}, "center for squares"),
        ({"input_size": [1, 32, 32]}, "input_size"),
        ({"interpolation": "random"}, "unknown interpolation"),
    ],
)
def test_what_featx_does_not_do_of_timm_is_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        read_timm({**TIMM, **fields}, "config.json")


def test_files_are_found_and_chosen(tmp_path):
    def stated(choice=None):
        return read_preprocessing(choice, [tmp_path / "onnx", tmp_path], "net").image_size

    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["ViTModel"]}))
    with pytest.raises(ConfigError, match=r"featx does not guess.*--preprocess FILE"):
        stated()
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": TIMM}))
    assert stated() == (224, 224)
    nested = {"image_processor": {"size": 48, **HALF}}
    (tmp_path / "processor_config.json").write_text(json.dumps(nested))
    assert stated() == (48, 48)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"size": 32, **HALF}))
    assert stated() == (32, 32)
    assert stated(str(tmp_path / "config.json")) == (224, 224)
    assert stated("imagenet") is None
    for choice, message in (
        ("imagnet", "or a .json file"),
        ("no.json", "no such file"),
        (str(tmp_path / "other.json"), "states no preprocessing"),
        (str(tmp_path / "damaged.json"), "not readable JSON"),
    ):
        (tmp_path / "other.json").write_text("{}")
        (tmp_path / "damaged.json").write_text("{")
        with pytest.raises(ConfigError, match=message):
            stated(choice)
