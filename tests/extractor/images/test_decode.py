from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image

from featx.cache.errors import ImageError
from featx.extractor.images.decode import decode, strict_images
from featx.extractor.images.geometry import Geometry
from images_made import pattern

SAME = Geometry(16, 24)


def encoded(image: Image.Image, format_: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def gradient(height: int = 16, width: int = 24) -> np.ndarray:
    row = np.linspace(0, 255, width).astype(np.uint8)
    return np.stack([np.tile(row, (height, 1))] * 3, axis=-1)


def test_decode_keeps_the_pixels_of_an_image_that_has_the_size() -> None:
    pixels = gradient()
    assert np.array_equal(decode(encoded(Image.fromarray(pixels)), [SAME])[0], pixels)
    assert np.array_equal(decode(pixels, [SAME])[0], pixels)


@pytest.mark.parametrize("mode", ["L", "P", "1", "RGBA", "LA", "CMYK"])
def test_decode_gives_rgb_for_every_mode(mode: str) -> None:
    format_ = "TIFF" if mode == "CMYK" else "PNG"
    image = Image.new("RGB", (24, 16), (255, 255, 255)).convert(mode)
    (pixels,) = decode(encoded(image, format_), [SAME])
    assert pixels.shape == (16, 24, 3) and pixels.dtype == np.uint8
    assert (pixels == 255).all()


def test_decode_composites_transparency_on_the_background() -> None:
    clear = encoded(Image.new("RGBA", (24, 16), (255, 0, 0, 0)))
    (pixels,) = decode(clear, [Geometry(16, 24, background="#00ff00")])
    assert (pixels == (0, 255, 0)).all()


def test_decode_scales_16_bit_grey_and_does_not_cut_it() -> None:
    deep = Image.fromarray(np.full((16, 24), 0x8000, np.uint16))
    (pixels,) = decode(encoded(deep), [SAME])
    assert set(np.unique(pixels)) == {128}


def test_decode_turns_the_image_as_its_exif_says() -> None:
    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[:, :12] = 255
    exif = Image.Exif()
    exif[0x0112] = 3
    (turned,) = decode(encoded(Image.fromarray(pixels), exif=exif.tobytes()), [SAME])
    assert (turned[:, :12] == 0).all() and (turned[:, 12:] == 255).all()


@pytest.mark.parametrize(
    "raw", [b"", b"not an image", b"\x89PNG\r\n\x1a\n", encoded(Image.fromarray(gradient()))[:60]]
)
def test_decode_names_the_reason_for_damaged_bytes(raw: bytes) -> None:
    with strict_images(), pytest.raises(ImageError, match=r"\w+"):
        decode(raw, [SAME])


def test_decode_refuses_more_pixels_than_pillow_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with strict_images(), pytest.raises(ImageError, match=r"384"):
        decode(encoded(Image.fromarray(gradient())), [SAME])


def test_crop_equals_resize_of_the_short_side_and_centre_crop() -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (512, 768, 3), dtype=np.uint8))
    expected = image.resize((384, 256), Image.Resampling.BICUBIC).crop((80, 16, 304, 240))
    found = Geometry(224, 224, "crop").apply(np.asarray(image))
    assert np.abs(found.astype(int) - np.asarray(expected, int)).max() <= 1


def test_pad_keeps_the_shape_and_fills_the_rest() -> None:
    image = Image.new("RGB", (40, 20), (10, 20, 30))
    pixels = Geometry(32, 32, "pad", "#ffffff").apply(np.asarray(image))
    assert (pixels[:8] == 255).all() and (pixels[24:] == 255).all()
    assert (pixels[8:24] == (10, 20, 30)).all()


def test_draft_shrinks_a_large_jpeg_without_a_visible_change() -> None:
    y, x = np.mgrid[0:1600, 0:1600] / 1600
    pixels = np.stack([255 * x, 255 * y, 127 + 127 * np.sin(20 * x)], -1).astype(np.uint8)
    raw = encoded(Image.fromarray(pixels), "JPEG", quality=95)
    geometry = Geometry(96, 96)
    (fast,) = decode(raw, [geometry])
    slow = geometry.apply(np.asarray(Image.open(io.BytesIO(raw)).convert("RGB")))
    assert np.abs(fast.astype(int) - slow.astype(int)).mean() < 1.0


def test_pixels_do_not_hang_on_the_other_geometries() -> None:
    values = np.random.default_rng(3).integers(0, 256, (60, 80, 3), np.uint8)
    big = Image.fromarray(values).resize((800, 600), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    big.save(stream, "JPEG", quality=90)
    small, large = Geometry(32, 32), Geometry(224, 224)
    together = decode(stream.getvalue(), [small, large, small])
    for image, geometry in zip(together, (small, large, small), strict=True):
        np.testing.assert_array_equal(image, decode(stream.getvalue(), [geometry])[0])


@pytest.mark.parametrize("format_", ["GIF", "BMP", "WEBP", "ICO", "DDS", "PNG", "TIFF", "JPEG2000"])
def test_files_cut_anywhere_are_told_in_plain_words(format_):
    raw = encoded(Image.fromarray(pattern()), format_)
    for n_bytes in (*range(1, 60), *range(60, len(raw) * 9 // 10, 1 + len(raw) // 40)):
        try:
            decode(raw[:n_bytes], [Geometry(24, 36)])
        except ImageError as error:
            assert not re.search(r"unpack|index out|Incomplete|Expected to|driver", str(error))
