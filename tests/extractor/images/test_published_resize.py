"""Published geometries against Pillow, step by step as publishers write them."""

from __future__ import annotations

import io

import numpy as np
import PIL
import pytest
from PIL import Image

from featx.cache.errors import ConfigError
from featx.extractor.images.decode import decode
from featx.extractor.images.geometry import Geometry
from featx.extractor.images.published_resize import PublishedResize
from featx.extractor.images.resize import FILTERS

SHAPES = ((61, 90), (300, 41), (33, 33), (20, 31), (500, 120), (64, 64))
IS_THIRTEEN = int(PIL.__version__.split(".")[0]) >= 13


def picture(height, width):
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.skipif(not IS_THIRTEEN, reason="the order of its passes is that of Pillow 13")
@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_shortest_side_and_crop_equal_pillow(shape, interpolation):
    pixels = picture(*shape)
    height, width = shape
    short = min(height, width)
    size = (36, int(36 * height / short)) if width <= height else (int(36 * width / short), 36)
    resized = np.asarray(Image.fromarray(pixels).resize(size, FILTERS[interpolation]))
    top, left = (resized.shape[0] - 32) // 2, (resized.shape[1] - 32) // 2
    geometry = Geometry(32, 32, "shortest:36", interpolation=interpolation)
    assert np.array_equal(geometry.apply(pixels), resized[top : top + 32, left : left + 32])


@pytest.mark.skipif(not IS_THIRTEEN, reason="the order of its passes is that of Pillow 13")
@pytest.mark.parametrize("shape", SHAPES)
def test_exact_equals_pillow(shape):
    pixels = picture(*shape)
    resized = np.asarray(Image.fromarray(pixels).resize((40, 32), FILTERS["bilinear"]))
    geometry = Geometry(32, 40, "exact:32x40", interpolation="bilinear")
    assert np.array_equal(geometry.apply(pixels), resized)


def test_crops_begin_where_their_publisher_begins_them():
    floored, rounded = (PublishedResize.parse(f"shortest:36{end}") for end in ("", ":rounded"))
    assert [floored.offset(n) for n in (1, 3, 5, 7)] == [0, 1, 2, 3]
    assert [rounded.offset(n) for n in (1, 3, 5, 7)] == [0, 2, 2, 4]


@pytest.mark.parametrize(
    "text", ["shortest:36", "exact:32x40", "shortest:248:rounded", "exact:64x64:rounded"]
)
def test_rules_are_read_as_they_are_written(text):
    assert str(PublishedResize.parse(text)) == text


@pytest.mark.parametrize("text", ["shortest:0", "shortest:3x4", "exact:3", "longest:3", ""])
def test_other_rules_are_refused(text):
    with pytest.raises(ConfigError, match="unknown resize rule"):
        PublishedResize.parse(text)


def test_a_jpeg_is_decoded_whole():
    out = io.BytesIO()
    Image.fromarray(picture(480, 640)).save(out, "JPEG", quality=90)
    whole = np.asarray(Image.open(out))
    geometry = Geometry(32, 32, "exact:32x32")
    assert np.array_equal(decode(out.getvalue(), [geometry])[0], geometry.apply(whole))
