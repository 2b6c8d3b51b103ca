"""The compiled resize and Pillow's give the same pixels, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from featx.extractor.images import resize as resample
from featx.extractor.images.resize import Box, resize, resize_in_pillow

compiled = pytest.mark.skipif(not resample.IS_COMPILED, reason="no compiler at installation")
sides = st.integers(1, 90)
UNITS = ("vnni", "avx2", "plain")


def noise(height: int, width: int, seed: int = 0, hard: bool = False) -> np.ndarray:
    """Random pixels; ``hard`` ones are black or white, which makes bicubic sums overshoot."""
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return (values >> 7) * np.uint8(255) if hard else values


def resize_in(units: str, pixels: np.ndarray, size: tuple[int, int], box: Box) -> np.ndarray:
    """Resize with one kind of the processor's units, or skip the test where there are none."""
    from featx.extractor.images import _resample

    out = np.empty((size[1], size[0], 3), np.uint8)
    try:
        _resample.resize_rgb(pixels, pixels.shape[1::-1], out, size, box, units)
    except ValueError:
        if units in UNITS:
            pytest.skip(f"this processor has no {units}")
        raise
    return out


@compiled
@pytest.mark.parametrize("units", UNITS)
@settings(max_examples=150, deadline=None)
@given(sides, sides, sides, sides, st.integers(0, 99), st.booleans(), st.data())
def test_compiled_equals_pillow(units, height, width, to_height, to_width, seed, hard, data):
    pixels = noise(height, width, seed, hard)
    fractions = st.floats(0, 0.45)
    left, right = data.draw(fractions) * width, (1 - data.draw(fractions)) * width
    top, bottom = data.draw(fractions) * height, (1 - data.draw(fractions)) * height
    box = (left, top, right, bottom)
    size = (to_width, to_height)
    found = resize_in(units, pixels, size, box)
    np.testing.assert_array_equal(found, resize_in_pillow(pixels, size, box))
    np.testing.assert_array_equal(found, resize(pixels, size, box))


@compiled
@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("shape", [(375, 500), (500, 375), (224, 224), (1200, 1600), (9, 2000)])
@pytest.mark.parametrize("side", [32, 224, 299, 600])
def test_compiled_equals_pillow_at_the_sizes_of_photographs(units, shape, side):
    pixels, box = noise(*shape, hard=True), (0, 0, shape[1], shape[0])
    expected = resize_in_pillow(pixels, (side, side), box)
    np.testing.assert_array_equal(resize_in(units, pixels, (side, side), box), expected)


@pytest.mark.parametrize("is_compiled", [pytest.param(True, marks=compiled), False])
def test_wide_images_have_the_pixels_of_one_call_of_pillow(is_compiled, monkeypatch):
    monkeypatch.setattr(resample, "IS_COMPILED", is_compiled)
    for height, width in [(375, 500), (100, 333), (60, 64)]:
        pixels = noise(height, width)
        once = Image.fromarray(pixels).resize((48, 40), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(resize(pixels, (48, 40)), np.asarray(once))


@pytest.mark.parametrize("is_compiled", [pytest.param(True, marks=compiled), False])
def test_the_order_is_across_first_whatever_pillow_chooses(is_compiled, monkeypatch):
    monkeypatch.setattr(resample, "IS_COMPILED", is_compiled)
    pixels = noise(281, 117, hard=True)
    across = resize(pixels, (89, 281))
    np.testing.assert_array_equal(resize(across, (89, 196)), resize(pixels, (89, 196)))
    down = resize(pixels, (117, 196))
    assert not np.array_equal(resize(down, (89, 196)), resize(pixels, (89, 196)))


def test_pixels_of_the_size_stay_and_views_are_taken():
    pixels = noise(40, 30)
    assert resize(pixels, (30, 40)) is pixels
    turned = pixels[::-1, ::-1]
    np.testing.assert_array_equal(resize(turned, (20, 10)), resize(turned.copy(), (20, 10)))


@pytest.mark.parametrize("box", [(0, 0, 31, 40), (-1, 0, 30, 40), (5, 0, 5, 40)])
def test_a_box_outside_the_image_is_refused(box):
    with pytest.raises(ValueError, match=r"\w+"):
        resize(noise(40, 30), (10, 10), box)


@compiled
def test_the_compiled_part_checks_its_buffers():
    from featx.extractor.images import _resample

    pixels, out = noise(4, 4), np.empty((2, 2, 3), np.uint8)
    box = (0, 0, 4, 4)
    _resample.resize_rgb(pixels, (4, 4), out, (2, 2), box)
    for size, out_size in [((4, 5), (2, 2)), ((4, 4), (2, 3)), ((0, 4), (2, 2)), ((4, 4), (0, 2))]:
        with pytest.raises(ValueError, match="do not fit"):
            _resample.resize_rgb(pixels, size, out, out_size, box)
    with pytest.raises(ValueError, match="no such units"):
        _resample.resize_rgb(pixels, (4, 4), out, (2, 2), box, "abacus")
    with pytest.raises(TypeError):
        _resample.resize_rgb(pixels, (4, 4), bytes(12), (2, 2), box)
