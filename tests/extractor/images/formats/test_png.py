"""PNG: broken and huge ancillary chunks are dropped, pixels stay."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from featx.cache.errors import ImageError
from featx.extractor.images.decode import decode, decode_with_remark, strict_images
from featx.extractor.images.formats.png import read_png
from featx.extractor.images.geometry import Geometry
from images_made import chunk, encoded, pattern, png_with

PIXELS = pattern()
WHOLE = encoded(PIXELS)
SIZE = Geometry(24, 36)
BOMB = zlib.compress(bytes(100_000_000), 9)
ANCILLARY = ("cHRM", "gAMA", "iCCP", "sBIT", "sRGB", "bKGD", "hIST", "pHYs", "sPLT", "tIME")
ANCILLARY += (
    "tEXt",
    "zTXt",
    "iTXt",
    "eXIf",
    "cICP",
    "mDCV",
    "cLLI",
    "acTL",
    "fcTL",
    "vpAg",
    "iDOT",
)


def remark_on(raw):
    return decode_with_remark(raw, [SIZE])[1]


def read(raw):
    with strict_images():
        return decode(raw, [SIZE])[0]


@pytest.mark.parametrize("name", ANCILLARY)
@pytest.mark.parametrize("content", [b"", b"\0", b"\xff" * 7, b"icc\0\0x\x9c", b"\0" * 40])
def test_broken_content_of_an_ancillary_chunk_keeps_the_pixels(name, content):
    for part in (chunk(name.encode(), content), chunk(name.encode(), content, crc=1)):
        np.testing.assert_array_equal(read(png_with(WHOLE, part)), PIXELS)
        np.testing.assert_array_equal(read(png_with(WHOLE, after=part)), PIXELS)


@pytest.mark.parametrize(
    ("name", "head"),
    [("iCCP", b"x\0\0"), ("zTXt", b"x\0\0"), ("iTXt", b"x\0\1\0\0\0"),
     ("iTXt", b"XML:com.adobe.xmp\0\1\0\0\0"), ("zTXt", b"Raw profile type exif\0\0")],
)  # fmt: skip
def test_bombs_are_not_unpacked(name, head):
    np.testing.assert_array_equal(read(png_with(WHOLE, chunk(name.encode(), head + BOMB))), PIXELS)


@pytest.mark.parametrize("length", [0, 3, 2**24, 2**31 - 1, 2**32 - 1])
def test_a_wrong_length_is_passed_over(length):
    part = bytearray(chunk(b"tEXt", b"comment\0words"))
    part[:4] = struct.pack(">I", length)
    np.testing.assert_array_equal(read(png_with(WHOLE, bytes(part))), PIXELS)


def test_bytes_behind_the_end_and_a_missing_end_do_not_matter():
    np.testing.assert_array_equal(read(WHOLE + b"trailing" * 100), PIXELS)
    np.testing.assert_array_equal(read(WHOLE[:-12]), PIXELS)


def test_a_damaged_key_of_transparency_is_dropped():
    for content in (b"", b"\0", b"\0" * 300):
        np.testing.assert_array_equal(read(png_with(WHOLE, chunk(b"tRNS", content))), PIXELS)
    key = struct.pack(">3H", *PIXELS[0, 0])
    seen = read(png_with(WHOLE, chunk(b"tRNS", key)))
    np.testing.assert_array_equal(seen[0, 0], (255, 255, 255))


def test_damage_and_frames_are_said():
    assert "checksum" in remark_on(png_with(WHOLE, chunk(b"tEXt", b"a\0b", crc=5)))
    assert remark_on(png_with(WHOLE, chunk(b"tEXt", b"a\0b"))) == ""
    first, second = (Image.fromarray(pixels) for pixels in (PIXELS, PIXELS[::-1]))
    animated = encoded(first, save_all=True, append_images=[second])
    assert remark_on(animated) == "several frames in one file: the first was taken"
    np.testing.assert_array_equal(read(animated), PIXELS)


def test_a_whole_file_is_not_copied():
    assert read_png(WHOLE).data is WHOLE


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (WHOLE.replace(b"IDAT", b"IDAT\xff", 1), "damaged|checksum|cut short"),
        (WHOLE[: len(WHOLE) // 2], "cut short"),
        (WHOLE[:30], "cut short"),
        (WHOLE[:60] + bytes([WHOLE[60] ^ 255]) + WHOLE[61:], "checksum"),
    ],
)
def test_damaged_pixels_are_named(raw, reason):
    with pytest.raises(ImageError, match=reason):
        read(raw)
