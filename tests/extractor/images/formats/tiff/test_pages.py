"""TIFF: the picture of full resolution is taken, camera raw is refused."""

import io

import numpy as np
import pytest
import tifffile

from featx.cache.errors import ImageError
from featx.extractor.images.decode import decode, decode_with_remark
from featx.extractor.images.geometry import Geometry
from images_made import encoded, pattern, tiff

PIXELS = pattern()
PREVIEW = pattern(6, 9)[::-1]
SIZE = Geometry(24, 36)
FULL, REDUCED = {"subfiletype": 0}, {"subfiletype": 1}


def pages(*written, **options):
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, **options) as writer:
        for values, how in written:
            writer.write(values, **({"photometric": "rgb", "metadata": None} | how))
    return buffer.getvalue()


def remark_on(raw):
    return decode_with_remark(raw, [SIZE])[1]


def read(raw):
    return decode(raw, [SIZE])[0]


@pytest.mark.parametrize("options", [{}, {"byteorder": ">"}, {"bigtiff": True}], ids=str)
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_preview_is_never_taken_for_the_picture(options, compression):
    how = {"compression": compression}
    first = pages((PREVIEW, REDUCED), (PIXELS, FULL | how), **options)
    inside = pages((PREVIEW, REDUCED | {"subifds": 1}), (PIXELS, FULL | how), **options)
    last = pages((PIXELS, FULL | how), (PREVIEW, REDUCED), **options)
    below = pages((PIXELS, FULL | how | {"subifds": 1}), (PREVIEW, REDUCED), **options)
    for raw in (first, inside, last, below):
        np.testing.assert_array_equal(read(raw), PIXELS)
        assert remark_on(raw) == ""


def test_the_old_tag_of_previews_counts_too():
    how = {"extratags": [(255, 3, 1, 2, True)]}
    np.testing.assert_array_equal(read(pages((PREVIEW, how), (PIXELS, {}))), PIXELS)


def test_where_all_pages_are_previews_the_largest_is_taken():
    raw = pages((PREVIEW, REDUCED), (PIXELS, REDUCED), (PREVIEW, REDUCED))
    np.testing.assert_array_equal(read(raw), PIXELS)


def test_further_pages_are_said():
    raw = pages((PIXELS, {}), (PIXELS[::-1], {}))
    np.testing.assert_array_equal(read(raw), PIXELS)
    assert remark_on(raw) == "several pages in one file: the first was taken"


SENSOR = np.zeros((24, 36), np.uint16)


@pytest.mark.parametrize(
    "raw",
    [
        pages((PREVIEW, REDUCED | {"subifds": 1}), (SENSOR, {"photometric": 32803})),
        pages((PREVIEW, REDUCED | {"extratags": [(50706, 1, 4, b"\1\4\0\0", True)]})),
        pages((PIXELS, {"photometric": 34892})),
        pages((PREVIEW, {}), (SENSOR, {"photometric": 32803})),
        b"II*\0\x10\0\0\0CR\2\0" + bytes(40),
    ],
    ids=["NEF", "DNG", "linear DNG", "in a later page", "CR2"],
)
def test_camera_raw_is_refused_with_what_to_do(raw):
    with pytest.raises(ImageError, match=r"camera's raw file.*develop it"):
        read(raw)


def test_metadata_that_are_damaged_keep_the_pixels():
    raw = bytearray(tiff(PIXELS, description="x" * 200, software="y" * 30, resolution=(3, 3)))
    expected = read(bytes(raw))
    with tifffile.TiffFile(io.BytesIO(raw)) as file:
        tags = {tag.code: tag.offset for tag in file.pages[0].tags}
    for code in (270, 282, 283, 296, 305):
        for type_, count in ((99, 1), (12, 2**31), (2, 2**32 - 1), (5, 0)):
            damaged = raw.copy()
            damaged[tags[code] + 2 : tags[code] + 8] = type_.to_bytes(2, "little") + count.to_bytes(
                4, "little"
            )
            np.testing.assert_array_equal(read(bytes(damaged)), expected)


LAYOUTS = [
    {},
    {"compression": "zlib"},
    {"compression": "zlib", "predictor": True},
    {"tile": (16, 16)},
    {"tile": (16, 16), "compression": "zlib", "predictor": True},
    {"rowsperstrip": 5},
    {"planarconfig": "separate"},
    {"planarconfig": "separate", "compression": "zlib", "rowsperstrip": 7},
]
TYPES = {
    "u1": (1, None),
    "u2": (257, None),
    "f2": (1 / 255, None),
    "f4": (1 / 255, None),
    "f8": (1 / 255, None),
    "u4": (1, (0.0, 255.0)),
    "i2": (1, (0.0, 255.0)),
    "i4": (1, (0.0, 255.0)),
}
"""What 8-bit values are multiplied by, and the limits that bring them back."""


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("type_", TYPES)
def test_every_type_and_layout_gives_the_picture(type_, layout):
    factor, limits = TYPES[type_]
    if type_[0] == "f":
        layout = {key: value for key, value in layout.items() if key != "predictor"}
    geometry = Geometry(24, 36, pixel_limits=limits)
    colour = (PIXELS.astype(float) * factor).astype(type_)
    if "planarconfig" in layout:
        colour = np.moveaxis(colour, -1, 0)
    grey_layout = {key: value for key, value in layout.items() if key != "planarconfig"}
    for order in "<>":
        for is_big in (False, True):
            how = {"byteorder": order, "bigtiff": is_big}
            raw = tiff(colour, photometric="rgb", **layout, **how)
            np.testing.assert_array_equal(decode(raw, [geometry])[0], PIXELS)
            grey = (PIXELS[..., 0].astype(float) * factor).astype(type_)
            raw = tiff(grey, **grey_layout, **how)
            np.testing.assert_array_equal(decode(raw, [geometry])[0], PIXELS[..., [0, 0, 0]])


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("is_big", [False, True])
def test_zero_is_white_where_the_file_says_so(order, is_big):
    how = {"byteorder": order, "bigtiff": is_big, "photometric": "miniswhite"}
    for values in (255 - PIXELS[..., 0], (255 - PIXELS[..., 0].astype(np.uint16)) * 257):
        pixels = decode(tiff(values, **how), [Geometry(24, 36)])[0]
        np.testing.assert_array_equal(pixels[..., 0], PIXELS[..., 0])


@pytest.mark.parametrize("values", [np.zeros((24, 36, 5), np.uint8), np.zeros((24, 36), np.uint64)])
def test_what_neither_reader_knows_is_described(values):
    raw = tiff(values, photometric="minisblack", planarconfig="contig" if values.ndim > 2 else None)
    with pytest.raises(
        ImageError, match=r"a TIFF with \d channels of uint values of .* save it as"
    ):
        read(raw)


def test_samples_that_are_cut_are_named():
    raw = tiff(PIXELS / 255.0, photometric="rgb", rowsperstrip=5)
    with tifffile.TiffFile(io.BytesIO(raw)) as file:
        offset = file.pages[0].dataoffsets[-1]
    with pytest.raises(ImageError, match="cut short"):
        read(raw[: offset + 10])


def test_directories_that_point_at_themselves_end():
    raw = bytearray(encoded(PIXELS, "TIFF"))
    start = int.from_bytes(raw[4:8], "little")
    after = start + 2 + 12 * int.from_bytes(raw[start : start + 2], "little")
    raw[after : after + 4] = raw[4:8]
    np.testing.assert_array_equal(read(bytes(raw)), PIXELS)
