"""Views are drawn by seed, number and digest alone."""

import hashlib

import numpy as np
import pytest

from featx.cache.errors import ConfigError
from featx.extractor.views.view import LEAST_AREA, VIEW_OPS, View, parse_ops

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
DIGESTS = [hashlib.sha256(bytes([n])).digest() for n in range(64)]


def seen(view, digest):
    """The same image in two stages, as a geometry without a resize has it."""
    return view.altered(view.cropped(PIXELS, digest), digest)


def test_a_view_of_an_image_is_always_the_same():
    again = seen(View(3, seed=5), DIGESTS[0])
    np.testing.assert_array_equal(seen(View(3, seed=5), DIGESTS[0]), again)


@pytest.mark.parametrize(
    ("view", "digest"),
    [(View(2), DIGESTS[0]), (View(1, seed=1), DIGESTS[0]), (View(1), DIGESTS[1])],
)
def test_number_seed_and_digest_each_change_it(view, digest):
    first = seen(View(1), DIGESTS[0])
    assert not np.array_equal(first, seen(view, digest))


def test_about_half_of_the_images_are_flipped_and_the_others_left():
    flip = View(1, ops=("flip",))
    n_flipped = 0
    for digest in DIGESTS:
        result = flip.altered(PIXELS, digest)
        is_flipped = np.array_equal(result, PIXELS[:, ::-1])
        assert is_flipped or np.array_equal(result, PIXELS)
        n_flipped += is_flipped
    assert 16 < n_flipped < 48


def test_a_crop_is_a_window_of_the_image_and_keeps_its_area():
    for digest in DIGESTS:
        height, width = View(1, ops=("crop",)).cropped(PIXELS, digest).shape[:2]
        assert height <= 40
        assert width <= 60
        assert height * width >= (LEAST_AREA - 0.05) * 40 * 60 * 0.95


def test_brightness_stays_within_its_limit():
    grey = np.full((4, 4, 3), 100, np.uint8)
    values = {int(View(1, ops=("brightness",)).altered(grey, d)[0, 0, 0]) for d in DIGESTS}
    assert min(values) >= 80
    assert max(values) <= 120
    assert len(values) > 10


def test_a_rotation_fills_the_corners_with_the_image_itself():
    rotation = View(1, ops=("rotation",))
    for colour in (0, 255, 90):
        plain = np.full((40, 60, 3), colour, np.uint8)
        for digest in DIGESTS:
            np.testing.assert_array_equal(rotation.altered(plain, digest), plain)
    framed = np.full((40, 60, 3), (10, 200, 30), np.uint8)
    framed[10:30, 15:45] = 128
    corners = np.stack([rotation.altered(framed, digest)[:4, :4] for digest in DIGESTS])
    np.testing.assert_array_equal(corners, np.broadcast_to(framed[0, 0], corners.shape))


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 7, 3), (9, 1, 3)])
def test_the_smallest_images_keep_a_pixel(shape):
    for digest in DIGESTS:
        pixels = View(1).cropped(np.zeros(shape, np.uint8), digest)
        assert View(1).altered(pixels, digest).size


def test_ops_have_one_order_and_unknown_ones_are_refused():
    assert parse_ops("flip, crop,flip") == ("crop", "flip")
    assert parse_ops(",".join(VIEW_OPS)) == VIEW_OPS
    with pytest.raises(ConfigError, match="unknown operation 'flop'"):
        parse_ops("flop")
    with pytest.raises(ConfigError, match="views need an operation"):
        parse_ops(" , ")
