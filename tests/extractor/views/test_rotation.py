"""Rotations: compiled and in NumPy alike, and as Pillow's but for rounding."""

import math

import numpy as np
import pytest
from PIL import Image

from featx.extractor.views.rotation import IS_COMPILED, ONE, rotate, rotate_in_numpy

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


@pytest.mark.skipif(not IS_COMPILED, reason="featx was installed without a C compiler")
@pytest.mark.parametrize("shape", [(40, 60), (61, 33), (1, 7), (9, 1), (1, 1), (2, 300)])
@pytest.mark.parametrize("degrees", [15, -15, 7.3, 0.01, 0, 45, 180])
def test_compiled_and_numpy_are_equal_in_every_bit(shape, degrees):
    pixels = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    angle = [round(ONE * f(math.radians(degrees))) for f in (math.cos, math.sin)]
    for one in (pixels, pixels[::-1]):
        np.testing.assert_array_equal(rotate(one, degrees), rotate_in_numpy(one, *angle))


@pytest.mark.skipif(not IS_COMPILED, reason="featx was installed without a C compiler")
def test_what_does_not_fit_is_refused():
    from featx.extractor.views import _rotate

    out = np.empty_like(PIXELS)
    for size, angle in (((60, 41), (ONE, 0)), ((0, 0), (ONE, 0)), ((60, 40), (ONE + 1, 0))):
        with pytest.raises(ValueError, match="do not fit"):
            _rotate.rotate_rgb(PIXELS, size, out, *angle)


@pytest.mark.parametrize("degrees", [15, -8, 1.5])
def test_it_turns_about_the_centre_as_pillow_does(degrees):
    whole = Image.fromarray(PIXELS).rotate(degrees, Image.Resampling.BILINEAR)
    inner = (slice(12, 28), slice(12, 48))
    difference = np.asarray(whole)[inner].astype(int) - rotate(PIXELS, degrees)[inner]
    assert np.abs(difference).max() <= 2


def test_right_angles_move_pixels_alone():
    np.testing.assert_array_equal(rotate(PIXELS, 0), PIXELS)
    np.testing.assert_array_equal(rotate(PIXELS, 180), PIXELS[::-1, ::-1])
    square = PIXELS[:, :40]
    np.testing.assert_array_equal(rotate(square, 90), np.rot90(square))


def test_what_lies_beyond_the_edge_is_the_mirrored_image():
    wide = np.concatenate([PIXELS[::-1], PIXELS, PIXELS[::-1]])
    wide = np.concatenate([wide[:, ::-1], wide, wide[:, ::-1]], axis=1)
    np.testing.assert_array_equal(rotate(PIXELS, 15), rotate(wide, 15)[40:80, 60:120])
