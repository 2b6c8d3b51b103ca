"""Every kind of image becomes the RGB that a person would see."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from featx.cache.errors import ConfigError, ImageError
from featx.extractor.images.decode import decode
from featx.extractor.images.geometry import Geometry, canonical_colour

ORANGE = (200, 100, 50)
SIZE = Geometry(16, 24)
DEEP = [0xC8C8, 0x6464, 0x3232, 0x8080]
HALF_OVER_WHITE = (227, 177, 152)


def encoded(image, format_, **options):
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def colour(raw, geometry=SIZE):
    """Return the one colour of an image that has one."""
    (pixels,) = decode(raw, [geometry])
    assert pixels.shape == (geometry.height, geometry.width, 3)
    assert np.ptp(pixels.astype(int), axis=(0, 1)).max() <= 2
    return pixels[3, 5].astype(int)


def deep_png(values, colour_type):
    """Write a PNG with 16 bits a channel, which Pillow cannot write (PNG 1.2, chapters 4 and 6)."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    row = b"\0" + np.array(values * 24, ">u2").tobytes()
    header = struct.pack(">IIBBBBB", 24, 16, 16, colour_type, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row * 16)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def tiff(values, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def flat(value, dtype):
    shape = (16, 24) if np.ndim(value) == 0 else (16, 24, len(value))
    return np.full(shape, value, dtype)


def in_lab():
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return ImageCms.profileToProfile(
        Image.new("RGB", (24, 16), ORANGE), srgb, lab, outputMode="LAB"
    )


def plain(mode):
    return Image.new("RGB", (24, 16), ORANGE).convert(mode)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(encoded(plain("CMYK"), "JPEG", quality=95), ORANGE, id="cmyk-jpeg-inverted"),
        pytest.param(encoded(plain("CMYK"), "TIFF"), ORANGE, id="cmyk-tiff"),
        pytest.param(encoded(in_lab(), "TIFF"), ORANGE, id="lab"),
        pytest.param(encoded(plain("YCbCr"), "TIFF"), ORANGE, id="ycbcr"),
        pytest.param(encoded(plain("L"), "PNG"), (124, 124, 124), id="grey"),
        pytest.param(
            encoded(plain("RGB").convert("P", palette=Image.Palette.ADAPTIVE), "PNG"),
            ORANGE,
            id="palette",
        ),
        pytest.param(encoded(Image.new("1", (24, 16), 1), "PNG"), (255,) * 3, id="one-bit"),
        pytest.param(deep_png(DEEP[:1], 0), (200,) * 3, id="png-grey-16"),
        pytest.param(deep_png(DEEP[:3], 2), ORANGE, id="png-rgb-16"),
        pytest.param(deep_png(DEEP, 6), HALF_OVER_WHITE, id="png-rgba-16"),
        pytest.param(deep_png([0xC8C8, 0x8080], 4), (227,) * 3, id="png-grey-alpha-16"),
        pytest.param(tiff(flat(0xC8C8, np.uint16)), (200,) * 3, id="tiff-grey-16"),
        pytest.param(
            tiff(flat(0xC8C8, ">u2"), byteorder=">"), (200,) * 3, id="tiff-grey-16-big-endian"
        ),
        pytest.param(tiff(flat(DEEP[:3], np.uint16), photometric="rgb"), ORANGE, id="tiff-rgb-16"),
        pytest.param(
            tiff(flat(0xC8C8, np.uint16), photometric="miniswhite"), (55,) * 3, id="white-is-0-16"
        ),
        pytest.param(
            tiff(flat(200, np.uint8), photometric="miniswhite"), (55,) * 3, id="white-is-0-8"
        ),
        pytest.param(tiff(flat(0.5, np.float32)), (128,) * 3, id="float-to-1"),
        pytest.param(tiff(flat(np.nan, np.float32)), (0,) * 3, id="not-a-number"),
    ],
)
def test_decode_gives_the_colour_that_a_person_sees(raw, expected):
    np.testing.assert_allclose(colour(raw), expected, atol=2)


def palette_with_clear_index():
    image = Image.new("P", (24, 16), 1)
    image.putpalette([0, 0, 0, *ORANGE])
    return encoded(image, "PNG", transparency=1)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(encoded(Image.new("RGBA", (24, 16), (*ORANGE, 0)), "PNG"), id="rgba"),
        pytest.param(encoded(Image.new("LA", (24, 16), (9, 0)), "PNG"), id="grey-alpha"),
        pytest.param(palette_with_clear_index(), id="palette"),
        pytest.param(
            encoded(Image.new("RGB", (24, 16), ORANGE), "PNG", transparency=ORANGE), id="rgb-key"
        ),
        pytest.param(encoded(Image.new("L", (24, 16), 7), "PNG", transparency=7), id="grey-key"),
    ],
)
def test_transparency_shows_the_stated_background(raw):
    found = colour(raw, Geometry(16, 24, background="#0a141e"))
    np.testing.assert_array_equal(found, (10, 20, 30))


@pytest.mark.parametrize("format_", ["GIF", "PNG", "WEBP", "TIFF"])
def test_first_frame_of_an_animation_counts(format_):
    red, green = (Image.new("RGB", (24, 16), c) for c in ((255, 0, 0), (0, 255, 0)))
    raw = encoded(red, format_, save_all=True, append_images=[green])
    np.testing.assert_allclose(colour(raw), (255, 0, 0), atol=2)


def oriented(pixels, orientation):
    """Turn pixels as EXIF 2.32, chapter 4.6.4, tag 274, says that a viewer must."""
    turned = pixels.transpose(1, 0, 2) if orientation > 4 else pixels
    flips = {2: (1,), 3: (0, 1), 4: (0,), 6: (1,), 7: (0, 1), 8: (0,)}
    return np.flip(turned, flips.get(orientation, ()))


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_obeyed(orientation, format_):
    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[:8, :12], pixels[:8, 12:], pixels[8:, :12] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    exif = Image.Exif()
    exif[274] = orientation
    lossless = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}
    raw = encoded(Image.fromarray(pixels), format_, exif=exif, **lossless.get(format_, {}))
    expected = oriented(pixels, orientation)
    (found,) = decode(raw, [Geometry(*expected.shape[:2])])
    assert np.abs(found.astype(int) - expected).mean() < 2


def test_broken_exif_does_not_hide_the_image():
    raw = bytearray(encoded(plain("RGB"), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0"))
    place = raw.find(b"Exif\0\0")
    raw[place + 6 : place + 16] = b"\xff" * 10
    np.testing.assert_allclose(colour(bytes(raw)), ORANGE, atol=3)


def test_bytes_of_no_format_are_named_without_an_address():
    with pytest.raises(ImageError, match=r'^plain text that begins with "plain words": get the'):
        decode(b"plain words", [SIZE])
    with pytest.raises(
        ImageError, match=r"^no image format that featx knows: save it as JPEG or PNG$"
    ):
        decode(bytes(range(1, 200)), [SIZE])


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("#FFF", "#ffffff"), ("black", "#000000"), ("#0A141e", "#0a141e"), ("RoyalBlue", "#4169e1")],
)
def test_canonical_colour_has_one_name_for_equal_colours(text, canonical):
    assert canonical_colour(text) == canonical


@pytest.mark.parametrize("text", ["", "whitish", "#12", "#ff000080", "255,0,0"])
def test_canonical_colour_refuses_what_is_none(text):
    with pytest.raises(ConfigError, match="expected #rrggbb"):
        canonical_colour(text)
