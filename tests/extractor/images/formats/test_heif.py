"""HEIC by the extra, AVIF by Pillow: decoded, upright, not lost to their EXIF blocks."""

import io

import numpy as np
import pytest
from PIL import Image, features

from featx.cache.errors import ImageError
from featx.extractor.images.decode import decode
from featx.extractor.images.formats.exif import turn
from featx.extractor.images.geometry import Geometry
from images_made import encoded, exif

PIXELS = np.kron(np.arange(24, dtype=np.uint8).reshape(4, 6) * 10, np.ones((16, 16), np.uint8))
PIXELS = np.stack([PIXELS, PIXELS[::-1], 255 - PIXELS], -1)
SIZE = Geometry(64, 96)
needs_avif = pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")


def heic(pixels, **options):
    pillow_heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    image = pillow_heif.from_pillow(Image.fromarray(pixels))
    try:
        image.save(stream, quality=95, **options)
    except RuntimeError as error:
        pytest.skip(f"no HEIC encoder: {error}")
    return stream.getvalue()


def close(seen, expected):
    assert seen.shape == expected.shape
    assert np.abs(seen.astype(int) - expected).mean() < 4


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_a_heic_is_read(mode):
    image = np.asarray(Image.fromarray(PIXELS).convert(mode))
    close(decode(heic(image), [SIZE])[0], np.asarray(Image.fromarray(image).convert("RGB")))


def test_a_heic_with_a_broken_exif_block_is_read():
    block = exif(1, "<", (282, 1, 9, 2**31), (271, 5, 1, 2**32 - 1))
    for metadata in (block, b"Exif\0\0\xff\xff" + bytes(9)):
        close(decode(heic(PIXELS, exif=metadata), [SIZE])[0], PIXELS)


def test_a_heic_that_is_cut_is_named():
    raw = heic(PIXELS)
    with pytest.raises(ImageError):
        decode(raw[: len(raw) // 2], [SIZE])


@needs_avif
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_is_read_and_turned(orientation):
    metadata = Image.Exif()
    metadata[274] = orientation
    expected = turn(PIXELS, orientation)
    raw = encoded(PIXELS, "AVIF", quality=95, exif=metadata)
    close(decode(raw, [Geometry(*expected.shape[:2])])[0], expected)


@needs_avif
def test_an_avif_with_a_broken_exif_block_is_read():
    raw = encoded(PIXELS, "AVIF", quality=95, exif=exif(1, "<", (271, 2, 9, 26)))
    for ending in (b"\xff" * 8, b"\0\0\0\0\xff\xff\xff\xff"):
        start = raw.index(b"II*\0") if b"II*\0" in raw else raw.index(b"MM\0*")
        damaged = raw[:start] + ending + raw[start + 8 :]
        close(decode(damaged, [SIZE])[0], PIXELS)


def test_an_avif_that_pillow_cannot_read_names_the_command(monkeypatch):
    monkeypatch.setattr(features, "check", lambda name: False)
    raw = b"\0\0\0\x18ftypavif\0\0\0\0avifmif1" + bytes(50)
    with pytest.raises(ImageError, match=r"AVIF.*pip install --upgrade Pillow"):
        decode(raw, [SIZE])
