"""Images of more than 8 bits: one rule for each source, in every type and channel."""

import numpy as np
import pytest

from featx.cache.errors import ImageError
from featx.extractor.images.decode import decode
from featx.extractor.images.geometry import Geometry
from images_made import deep_png, encoded, pattern, tiff

PIXELS = pattern()
GREY = PIXELS[..., 0]
RGBA = np.concatenate([PIXELS, 255 - GREY[..., None] // 2], -1)
SIZE = Geometry(24, 36)


def read(raw, limits=None):
    return decode(raw, [Geometry(24, 36, pixel_limits=limits)])[0]


def grey(values):
    return np.stack([values] * 3, axis=-1)


def close(seen, expected):
    np.testing.assert_allclose(seen.astype(int), np.asarray(expected, int), atol=1)


def scaled(values, high, dtype=np.uint16):
    return np.rint(values / 255 * high).astype(dtype)


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 16])
def test_each_depth_looks_like_its_twin_of_8_bits(bits):
    top = 2**bits - 1
    limits = (0.0, float(top))
    for order in "<>":
        close(read(tiff(scaled(GREY, top), byteorder=order), limits), grey(GREY))
        close(read(tiff(scaled(PIXELS, top), byteorder=order, photometric="rgb"), limits), PIXELS)
    close(read(deep_png(scaled(GREY, top), 0), limits), grey(GREY))
    close(read(deep_png(scaled(PIXELS, top), 2), limits), PIXELS)
    close(read(scaled(PIXELS, top), limits), PIXELS)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_every_byte_of_16_bit_colours_counts(compression):
    values = np.random.default_rng(0).integers(0, 65536, (24, 36, 3)).astype(np.uint16)
    expected = np.rint(np.clip(values.astype(float) - 300, 0, 700) * 255 / 700)
    for raw in (
        deep_png(values, 2),
        tiff(values, photometric="rgb", compression=compression),
        tiff(values, photometric="rgb", byteorder=">", compression=compression),
    ):
        np.testing.assert_array_equal(read(raw, (300.0, 1000.0)), expected)


def test_opacity_is_scaled_like_the_colours():
    expected = decode(RGBA, [SIZE])[0]
    values = scaled(RGBA, 4095)
    close(read(deep_png(values, 6), (0.0, 4095.0)), expected)
    raw = tiff(values, photometric="rgb", extrasamples=["unassalpha"])
    close(read(raw, (0.0, 4095.0)), expected)
    grey_alpha = deep_png(values[..., [0, 3]], 4)
    close(read(grey_alpha, (0.0, 4095.0)), decode(RGBA[..., [0, 0, 0, 3]], [SIZE])[0])


def test_without_limits_16_bits_are_taken_whole():
    close(read(deep_png(scaled(PIXELS, 65535), 2)), PIXELS)
    close(read(tiff(scaled(GREY, 65535))), grey(GREY))
    close(read(tiff(scaled(GREY, 65535), photometric="miniswhite")), 255 - grey(GREY))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("values", "limits"),
    [
        (GREY.astype(np.float32) / 255, (0.0, 1.0)),
        (GREY.astype(np.float32), (0.0, 255.0)),
        (GREY.astype(np.float32) / 255 * 4000, (0.0, 4000.0)),
        (GREY.astype(np.float32) / 127.5 - 1, (-1.0, 1.0)),
        (GREY.astype(np.int16) * 10 - 1000, (-1000.0, 1550.0)),
        (GREY.astype(np.int32) * 1000 - 99, (-99.0, 254901.0)),
        (GREY.astype(np.uint32) * 2**24, (0.0, 255.0 * 2**24)),
        ((GREY.astype(int) - 128).astype(np.int8), (-128.0, 127.0)),
    ],
    ids=lambda value: getattr(getattr(value, "dtype", None), "name", str(value)),
)
def test_every_type_is_scaled_by_the_limits(values, limits, order):
    for photometric, expected in (("minisblack", grey(GREY)), ("miniswhite", 255 - grey(GREY))):
        close(read(tiff(values, byteorder=order, photometric=photometric), limits), expected)
    close(read(values, limits), grey(GREY))


def test_what_is_no_number_is_black_and_infinity_white():
    values = np.full((24, 36), 0.5, np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    for limits, middle in ((None, 128), ((0.0, 2.0), 64)):
        seen = read(tiff(values), limits)
        assert seen[0, :4, 0].tolist() == [0, 255, 0, middle]


def test_the_same_scale_holds_for_every_image():
    for top in (255, 256):
        assert (read(tiff(np.full((24, 36), top, np.int32)), (0.0, 1000.0)) == 65).all()


@pytest.mark.parametrize(
    "values", [GREY.astype(np.float32), GREY.astype(np.int32), GREY.astype(np.uint32)], ids=str
)
def test_what_has_no_full_range_is_refused_with_the_option(values):
    for raw in (tiff(values), values):
        with pytest.raises(ImageError, match=r"state the range, such as --pixel-range 0:"):
            read(raw)


def test_images_of_8_bits_and_fewer_have_no_rule():
    for raw in (encoded(PIXELS), encoded(PIXELS, "TIFF"), PIXELS, tiff(GREY)):
        np.testing.assert_array_equal(read(raw, (0.0, 4095.0)), read(raw))


def test_a_pgm_says_its_own_depth():
    values = scaled(GREY, 4095)
    raw = b"P5 36 24 4095\n" + values.astype(">u2").tobytes()
    close(read(raw), grey(GREY))
    close(read(raw, (0.0, 65535.0)), grey(GREY))
