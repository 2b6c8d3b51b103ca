"""Ordinary JPEGs by libjpeg-turbo's own interface: the pixels, and the errors, of Pillow."""

from __future__ import annotations

import io

import numpy as np
import pytest
import skimage.data
from PIL import Image

from featx.cache.errors import ImageError
from featx.extractor.images.decode import decode, strict_images
from featx.extractor.images.formats.jpeg import fast as fast_way
from featx.extractor.images.formats.jpeg.fast import jpeg_pixels
from featx.extractor.images.geometry import Geometry

GEOMETRIES = [Geometry(96, 96), Geometry(64, 80, "crop"), Geometry(96, 96, "pad", "#102030")]
PHOTOGRAPH = Image.fromarray(skimage.data.coffee())

pytest.importorskip("simplejpeg")


def encoded(image: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", **options)
    return stream.getvalue()


def both(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> tuple[object, object]:
    """What ``decode`` gives with and without the fast way: pixels, or the error's text."""
    found = []
    for library in (fast_way.simplejpeg, None):
        with monkeypatch.context() as patch, strict_images():
            patch.setattr(fast_way, "simplejpeg", library)
            try:
                found.append(decode(raw, GEOMETRIES))
            except ImageError as error:
                found.append(str(error))
    return found[0], found[1]


def same(fast: object, slow: object) -> bool:
    if isinstance(fast, str) or isinstance(slow, str):
        return fast == slow
    return all(np.array_equal(a, b) for a, b in zip(fast, slow, strict=True))


def is_fast(raw: bytes) -> bool:
    return jpeg_pixels(raw, Image.open(io.BytesIO(raw))) is not None


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("size", [(500, 375), (375, 501), (17, 33), (1, 1), (8, 300), (1400, 1001)])
def test_pixels_are_those_of_pillow(subsampling, progressive, size, monkeypatch):
    image = PHOTOGRAPH.resize(size)
    raw = encoded(image, subsampling=subsampling, progressive=progressive, quality=87)
    assert is_fast(raw)
    assert same(*both(raw, monkeypatch))


@pytest.mark.parametrize("quality", [1, 30, 100])
def test_grey_and_any_quality_are_those_of_pillow(quality, monkeypatch):
    for image in (PHOTOGRAPH, PHOTOGRAPH.convert("L")):
        raw = encoded(image, quality=quality)
        assert is_fast(raw)
        assert same(*both(raw, monkeypatch))


@pytest.mark.parametrize("side", [700, 1600, 3100])
def test_large_ones_are_shrunk_as_pillow_shrinks_them(side, monkeypatch):
    raw = encoded(PHOTOGRAPH.resize((side, side - 3)))
    image = Image.open(io.BytesIO(raw))
    image.draft(None, (194, 194))
    pixels = jpeg_pixels(raw, image)
    assert pixels is not None and pixels.shape[:2] == (image.height, image.width)
    assert image.width < side
    np.testing.assert_array_equal(pixels, np.asarray(image))
    assert same(*both(raw, monkeypatch))


@pytest.mark.parametrize("orientation", range(10))
def test_every_orientation_is_that_of_pillow(orientation, monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = orientation
    raw = encoded(PHOTOGRAPH, exif=exif.tobytes())
    assert is_fast(raw)
    assert same(*both(raw, monkeypatch))


@pytest.mark.parametrize(
    "raw",
    [
        encoded(PHOTOGRAPH.convert("CMYK")),
        encoded(PHOTOGRAPH, keep_rgb=True),
        encoded(PHOTOGRAPH)[:9000],
        encoded(PHOTOGRAPH)[:-2],
        encoded(PHOTOGRAPH, progressive=True)[:20000],
        encoded(PHOTOGRAPH)[:300],
    ],
    ids=["CMYK", "RGB", "cut", "no end", "cut, progressive", "header only"],
)
def test_what_is_out_of_the_ordinary_stays_with_pillow(raw, monkeypatch):
    fast, slow = both(raw, monkeypatch)
    assert same(fast, slow)
    try:
        assert not is_fast(raw)
    except OSError:
        assert isinstance(fast, str)


def test_multi_picture_files_and_trailing_bytes_are_as_in_pillow(monkeypatch):
    stream = io.BytesIO()
    PHOTOGRAPH.save(stream, "MPO", save_all=True, append_images=[PHOTOGRAPH])
    assert not is_fast(stream.getvalue())
    assert same(*both(stream.getvalue(), monkeypatch))
    assert same(*both(encoded(PHOTOGRAPH) + b"\0" * 100, monkeypatch))


def test_damaged_files_end_as_in_pillow(monkeypatch):
    rng = np.random.default_rng(5)
    small = PHOTOGRAPH.resize((120, 90))
    raws = [encoded(small), encoded(small, progressive=True), encoded(small.convert("L"))]
    n_fast = 0
    for number in range(300):
        damaged = bytearray(raws[number % 3])
        for place in rng.integers(2, len(damaged), rng.integers(1, 4)):
            damaged[place] = rng.integers(0, 256)
        fast, slow = both(bytes(damaged), monkeypatch)
        assert same(fast, slow), number
        n_fast += not isinstance(fast, str)
    assert n_fast > 30
