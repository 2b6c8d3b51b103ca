"""JPEG: metadata never lose an image; a missing end marker is no missing pixel."""

import io

import numpy as np
import pytest
import skimage.data
from PIL import Image

from featx.cache.errors import ImageError
from featx.extractor.images.decode import decode, decode_with_remark, strict_images
from featx.extractor.images.formats.jpeg.segments import read_jpeg
from featx.extractor.images.geometry import Geometry
from images_made import encoded, jpeg_with

PHOTOGRAPH = Image.fromarray(skimage.data.coffee()).resize((150, 101))
WHOLE = encoded(PHOTOGRAPH, "JPEG", quality=90)
PROGRESSIVE = encoded(PHOTOGRAPH, "JPEG", quality=90, progressive=True)
GREY = encoded(PHOTOGRAPH.convert("L"), "JPEG", quality=90)
CMYK = encoded(PHOTOGRAPH.convert("CMYK"), "JPEG", quality=90)
RESTARTS = encoded(PHOTOGRAPH, "JPEG", quality=90, restart_marker_rows=1)
KINDS = pytest.mark.parametrize(
    "raw",
    [WHOLE, PROGRESSIVE, GREY, CMYK, RESTARTS],
    ids=["baseline", "progressive", "grey", "CMYK", "restarts"],
)
SIZE = Geometry(101, 150)


def remark_on(raw):
    return decode_with_remark(raw, [SIZE])[1]


def read(raw, geometry=SIZE):
    with strict_images():
        return decode(raw, [geometry])[0]


@KINDS
def test_a_missing_end_marker_is_added(raw):
    expected = read(raw)
    for ending in (b"", b"\xff", b"\xff\xff"):
        np.testing.assert_array_equal(read(raw[:-2] + ending), expected)


@KINDS
@pytest.mark.parametrize("rest", [b"\0" * 300, b"\n", b"trailing words"])
def test_bytes_around_the_end_marker_do_not_matter(raw, rest):
    expected = read(raw)
    np.testing.assert_array_equal(read(raw + rest), expected)
    np.testing.assert_array_equal(read(raw[:-2] + rest), expected)


@KINDS
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.97])
def test_a_scan_that_is_cut_stays_an_error(raw, share):
    with pytest.raises(ImageError, match="truncated"):
        read(raw[: int(len(raw) * share)])


def test_a_progressive_file_that_is_cut_between_scans_is_no_whole_picture():
    starts = [i for i in range(len(PROGRESSIVE)) if PROGRESSIVE[i : i + 2] == b"\xff\xda"]
    for start in starts[1:]:
        with pytest.raises(ImageError):
            read(PROGRESSIVE[:start])


@pytest.mark.parametrize(
    "segments",
    [
        [(0xE0, b"JFIF\0\1")],
        [(0xE1, b"Exif\0\0" + b"\xff" * 200)],
        [(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01" * 500)],
        [(0xE2, b"MPF\0" + b"\xee" * 60)],
        [(0xE2, b"MPF\0II*\0\x08\0\0\0\x02\0\x01\xb0\x04\0\1\0\0\0\xff\xff\xff\xff")],
        [(0xE2, b"ICC_PROFILE\0\1\2" + b"\0" * 99)],
        [(0xED, b"Photoshop 3.0\08BIM\xff\xff")],
        [(0xEE, b"Adobe")],
        [(0xEE, b"Adobe\0")],
        [(0xFE, b"\xff\xd9\xff\xda" * 20)],
        [(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"\xff" * 9)] * 50,
    ],
    ids=lambda value: repr(value[0][1][:12]),
)
def test_broken_segments_keep_the_pixels(segments):
    np.testing.assert_array_equal(read(jpeg_with(WHOLE, *segments)), read(WHOLE))


def test_bytes_between_segments_are_passed_over():
    start = WHOLE.index(b"\xff\xdb")
    raw = WHOLE[:start] + b"\0\0\x12\xff\xff\xff" + WHOLE[start:]
    np.testing.assert_array_equal(read(raw), read(WHOLE))


def test_only_what_decides_pixels_is_kept():
    raw = jpeg_with(WHOLE, (0xE1, b"Exif\0\0" + b"x" * 999), (0xFE, b"comment"))
    assert read_jpeg(raw).data == WHOLE
    assert read_jpeg(WHOLE).data is WHOLE


def test_further_pictures_are_said():
    stream = io.BytesIO()
    PHOTOGRAPH.save(stream, "MPO", save_all=True, append_images=[PHOTOGRAPH])
    assert remark_on(stream.getvalue()) == "several pictures in one file: the first was taken"
    assert remark_on(WHOLE) == ""


def test_the_limit_counts_pixels_of_the_scaled_decoding(monkeypatch):
    big = encoded(PHOTOGRAPH.resize((1600, 1200)), "JPEG")
    expected = read(big, Geometry(32, 32))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200_000)
    np.testing.assert_array_equal(read(big, Geometry(32, 32)), expected)
    with pytest.raises(ImageError, match=r"1600×1200 pixels are over the limit of 200,000.*--max"):
        read(big, Geometry(1200, 1600))
    progressive = encoded(PHOTOGRAPH.resize((1600, 1200)), "JPEG", progressive=True)
    with pytest.raises(ImageError, match="--max-pixels 1920000"):
        read(progressive, Geometry(32, 32))
    with strict_images(2_000_000):
        assert decode(progressive, [Geometry(32, 32)])[0].shape == (32, 32, 3)
    assert Image.MAX_IMAGE_PIXELS == 200_000
