"""Damaged metadata lose no image: what another decoder reads rightly, featx reads."""

from __future__ import annotations

import io
import random
import struct
import warnings
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from featx.cache.errors import ImageError
from featx.extractor.images.decode import decode, strict_images
from featx.extractor.images.formats.exif import turn
from featx.extractor.images.formats.tiff.ifd import TiffReader
from featx.extractor.images.formats.tiff.pages import PIXEL_TAGS
from featx.extractor.images.geometry import Geometry
from images_made import encoded, pattern

PIXELS = pattern()
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description/></rdf:RDF></x:xmpmeta>'
SHIFTED_BYTES = ("JPEG", "PNG", "WEBP", "GIF")
"""Formats whose metadata may grow and shrink; in the others an offset counts from the start."""
LEAST_SHARE = {"JPEG": 0.9, "PNG": 0.99, "WEBP": 0.98, "GIF": 0.99, "TIFF": 0.99, "BMP": 0.99}
"""Of the damaged files: a broken length in a JPEG may hide its tables from every decoder."""


def exif_block() -> bytes:
    exif = Image.Exif()
    exif[271], exif[305], exif[282], exif[296] = "Maker", "Software" * 4, 72.0, 2
    exif.get_ifd(0x8769)[33434] = 0.01
    exif.get_ifd(0x8825)[1] = "N"
    return exif.tobytes()


def whole_files() -> dict[str, bytes]:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "words " * 20, zip=True)
    text.add_itxt("XML:com.adobe.xmp", XMP.decode())
    exif, dpi = exif_block(), (72, 72)
    rich = {"exif": exif, "icc_profile": ICC}
    words = b"words" * 30
    return {
        "JPEG": encoded(PIXELS, "JPEG", quality=95, comment=words, dpi=dpi, xmp=XMP, **rich),
        "PNG": encoded(PIXELS, "PNG", dpi=dpi, pnginfo=text, **rich),
        "WEBP": encoded(PIXELS, "WEBP", lossless=True, xmp=XMP, **rich),
        "TIFF": encoded(PIXELS, "TIFF", dpi=dpi, description="words", xmp=XMP, **rich),
        "GIF": encoded(Image.fromarray(PIXELS).convert("P"), "GIF", comment=words, loop=0),
        "BMP": encoded(PIXELS, "BMP", dpi=dpi),
    }


FILES = whole_files()


def metadata(kind: str, raw: bytes) -> list[tuple[int, int]]:
    """Where a file's metadata lie."""
    if kind == "JPEG":
        return [(2, raw.index(b"\xff\xdb"))]
    if kind == "PNG":
        return [
            (s, e) for n, s, e in chunks(raw, 8, ">", 4) if n not in (b"IHDR", b"IDAT", b"IEND")
        ]
    if kind == "WEBP":
        return [(s, e) for n, s, e in chunks(raw, 12, "<", 0) if n in (b"ICCP", b"EXIF", b"XMP ")]
    if kind == "GIF":
        starts = [raw.find(extension) for extension in (b"\x21\xfe", b"\x21\xff")]
        return [(start + 2, start + 40) for start in starts if start > 0]
    if kind == "BMP":
        return [(2, 10), (34, 54)]
    reader = TiffReader(raw)
    ifd = reader.ifd(reader.first)
    ranges = []
    for number, (tag, entry) in enumerate(ifd.entries.items()):
        if tag not in PIXEL_TAGS:
            place = ifd.offset + 2 + 12 * number
            ranges += [(place + 2, place + 12), (entry.offset, entry.offset + min(entry.count, 40))]
    return ranges


def chunks(raw: bytes, start: int, order: str, crc: int) -> Iterator[tuple[bytes, int, int]]:
    while start < len(raw):
        length_first = struct.unpack_from(order + "I4s", raw, start)
        name_first = struct.unpack_from(order + "4sI", raw, start)
        length, name = length_first if crc else name_first[::-1]
        end = start + 8 + crc + length
        yield name, start, end
        start = end + (length % 2 if not crc else 0)


def damaged(kind: str, rng: random.Random) -> bytes:
    """Return a file with some bytes of its metadata changed, put in, or taken out."""
    raw = bytearray(FILES[kind])
    ranges = metadata(kind, FILES[kind])
    if kind not in SHIFTED_BYTES or rng.random() < 0.7:
        for _ in range(rng.choice((1, 1, 2, 8))):
            raw[rng.randrange(*rng.choice(ranges))] = rng.choice((0, 255, rng.randrange(256)))
        return bytes(raw)
    start, end = rng.choice(ranges)
    index = rng.randrange(start, end)
    if rng.random() < 0.5:
        raw[index:index] = rng.randbytes(rng.randrange(1, 20))
    else:
        del raw[index : min(end, index + rng.randrange(1, 20))]
    return bytes(raw)


def is_right(pixels: np.ndarray | None, expected: np.ndarray) -> bool:
    """Whether pixels are the expected ones; a damaged orientation may turn them."""
    return pixels is not None and any(
        np.array_equal(turn(pixels, orientation), expected) for orientation in range(1, 9)
    )


def by_featx(raw: bytes) -> np.ndarray | None:
    """Decode in the size that the image has, lying or upright."""
    for geometry in (Geometry(24, 36), Geometry(36, 24)):
        try:
            (pixels,) = decode(raw, [geometry])
        except ImageError:
            return None
        if is_right(pixels, decode(FILES[kind_of(raw)], [Geometry(24, 36)])[0]):
            return pixels
    return None


def kind_of(raw: bytes) -> str:
    return next(kind for kind, whole in FILES.items() if whole[:2] == raw[:2])


def by_pillow(raw: bytes) -> np.ndarray | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return np.asarray(Image.open(io.BytesIO(raw)).convert("RGB"))
        except Exception:  # noqa: BLE001 (Pillow raises nearly everything)
            return None


def by_tensorflow(raw: bytes) -> np.ndarray | None:
    import tensorflow as tf

    try:
        return tf.io.decode_image(raw, channels=3, expand_animations=False).numpy()
    except tf.errors.InvalidArgumentError:
        return None


def count(kind: str, n_files: int, others: dict) -> Counter:
    """Return how many damaged files each decoder read rightly, and where featx alone did not."""
    rng = random.Random(kind)
    expected = {name: read(FILES[kind]) for name, read in others.items()}
    counts: Counter = Counter()
    with strict_images():
        for _ in range(n_files):
            raw = damaged(kind, rng)
            ours = by_featx(raw) is not None
            counts["featx"] += ours
            for name, read in others.items():
                theirs = expected[name] is not None and is_right(read(raw), expected[name])
                counts[name] += theirs
                counts["lost by featx alone"] += theirs and not ours
    return counts


@pytest.mark.parametrize("kind", FILES)
def test_damaged_metadata_lose_no_image(kind: str) -> None:
    counts = count(kind, 200, {"Pillow": by_pillow})
    assert counts["lost by featx alone"] == 0
    assert counts["featx"] >= LEAST_SHARE[kind] * 200


@pytest.mark.long
@pytest.mark.parametrize("kind", FILES)
def test_many_damaged_metadata_lose_no_image(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    counts = count(kind, 6000, {"Pillow": by_pillow, "TensorFlow": by_tensorflow})
    with capsys.disabled():
        print(f"\n{kind}: of 6,000 files with damaged metadata {dict(counts)}")  # noqa: T201
    assert counts["lost by featx alone"] == 0
