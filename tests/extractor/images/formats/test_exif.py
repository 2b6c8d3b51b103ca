"""The orientation, read alone: whatever else is wrong with the metadata."""

import numpy as np
import pytest

from featx.extractor.images.decode import decode
from featx.extractor.images.formats.exif import orientation_of, turn
from featx.extractor.images.geometry import Geometry
from images_made import chunk, encoded, exif, jpeg_with, pattern, png_with, tiff

PIXELS = pattern()
TALL = Geometry(36, 24)
BROKEN = [(282, 1, 9, 2**31), (271, 5, 1, 2**32 - 1), (305, 11, 2**31, 0), (34853, 9, 1, 2**32 - 9)]
"""Resolution as bytes, maker as a fraction, software as floats, GPS at a negative offset."""


def turned(raw):
    return decode(raw, [TALL])[0]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("orientation", range(11))
def test_orientation_is_read_in_both_byte_orders_beside_broken_tags(orientation, order):
    expected = orientation if orientation in range(1, 9) else 1
    for block in (exif(orientation, order), exif(orientation, order, *BROKEN)):
        assert orientation_of(block, b"") == expected
        assert orientation_of(b"Exif\0\0Exif\0\0" + block, b"") == expected


@pytest.mark.parametrize("type_", [1, 3, 4, 6, 8, 9])
def test_every_integer_type_states_the_orientation(type_):
    block = exif(6).replace(b"\x12\x01\x03\0", b"\x12\x01" + bytes([type_, 0]))
    assert orientation_of(block, b"") == 6


def test_exif_goes_before_xmp():
    xmp = b'<rdf:Description tiff:Orientation="8"/>'
    assert orientation_of(exif(6), xmp) == 6
    assert orientation_of(b"", xmp) == 8
    assert orientation_of(b"rubbish", b"<tiff:Orientation>3</tiff:Orientation>") == 3


def test_no_bytes_make_the_reader_fail():
    rng = np.random.default_rng(0)
    block = exif(6, "<", *BROKEN)
    for _ in range(3000):
        damaged = bytearray(block[: rng.integers(0, len(block) + 1)])
        for index in rng.integers(0, max(1, len(damaged)), 4):
            damaged[index : index + 1] = bytes([rng.integers(0, 256)])
        assert orientation_of(bytes(damaged), b"") in range(1, 9)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turning_twice_with_the_inverse_gives_the_image_back(orientation):
    inverse = {6: 8, 8: 6}.get(orientation, orientation)
    np.testing.assert_array_equal(turn(turn(PIXELS, orientation), inverse), PIXELS)


@pytest.mark.parametrize("order", "<>")
def test_each_format_is_turned_although_other_tags_are_broken(order):
    block = exif(6, order, *BROKEN)
    expected = turn(PIXELS, 6)
    png = png_with(encoded(PIXELS), chunk(b"eXIf", block))
    late = png_with(encoded(PIXELS), after=chunk(b"eXIf", block))
    webp = encoded(PIXELS, "WEBP", lossless=True, exif=block)
    page = tiff(
        PIXELS, byteorder=order, extratags=[(274, 3, 1, 6, True), (282, 1, 9, b"x" * 9, True)]
    )
    for raw in (png, late, webp, page):
        np.testing.assert_array_equal(turned(raw), expected)
    jpeg = encoded(PIXELS, "JPEG", quality=95, subsampling=0)
    plain = decode(jpeg, [Geometry(24, 36)])[0]
    rotated = jpeg_with(jpeg, (0xE1, b"Exif\0\0" + block))
    np.testing.assert_array_equal(turned(rotated), turn(plain, 6))
