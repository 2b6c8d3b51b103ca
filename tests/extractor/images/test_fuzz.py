"""A thousand and more bad images: none stops the run, each leaves a row or a reason."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import featx.extractor.pipeline.reading.fetch as fetch
from featx.cache import FeatureStore
from featx.cache.errors import TooManyBadImagesError
from featx.cache.maintenance.verify import verify
from featx.extractor.extract import extract
from featx.extractor.extract_report import ExtractReport
from featx.extractor.images.decode import decode_with_remark
from featx.extractor.plan import FeatureOptions, Plan, make_plan
from featx.extractor.run_options import BadLimit, RunOptions
from featx.extractor.sources import open_source

PLAN = make_plan(
    FeatureOptions(backbone="mobilenet", weights="random:0", image_size=32, precision="float32")
)
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "ICO", "TGA", "PCX", "SGI", "DDS")
N_MUTATED, N_CUT, N_NOISE = 700, 300, 100


class MeanEngine:
    """Features are mean colours."""

    name = kind = "test/mean"
    on_accelerator = False
    precision = "float32"
    n_parallel = 1

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size

    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        return (images.mean(axis=(1, 2), dtype=np.float32),)


def whole_images() -> dict[str, bytes]:
    """Return one small valid image of each format, and some in other modes."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    found = {}
    for format_ in FORMATS:
        buffer = io.BytesIO()
        image.save(buffer, format_)
        found[format_.lower()] = buffer.getvalue()
    modes = (("P", "png"), ("LA", "png"), ("CMYK", "tiff"), ("I;16", "png"), ("1", "tiff"))
    for mode, format_ in modes:
        buffer = io.BytesIO()
        grey = image.convert("L") if mode == "I;16" else image
        grey.convert(mode).save(buffer, format_)
        found[f"{mode.replace(';', '')}.{format_}"] = buffer.getvalue()
    frames = [Image.fromarray(np.roll(noise, i, axis=0)) for i in range(3)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    found["moving.gif"] = buffer.getvalue()
    return found


def png_of(width: int, height: int, data: bytes = b"") -> bytes:
    """Return a PNG that says it has this size, whatever ``data`` holds."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(data))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def huge_images() -> Iterator[bytes]:
    """Yield files of a few bytes that say they are enormous."""
    for side in (20_000, 100_000, 2**31 - 1):
        yield png_of(side, side)
        yield png_of(side, 1, bytes(100))
        yield b"P6 %d %d 255\n" % (side, side)
        yield b"BM" + struct.pack("<IHHIIiiHHIIiiII", 99, 0, 0, 54, 40, side, side, 1, 24, *[0] * 6)
        yield b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0)
    yield png_of(30_000, 30_000, bytes(10_000_000))  # a bomb: 10 MB of zeros in 10 kB


def bad_files(seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield names and bytes of more than a thousand files, most of them broken."""
    chance = random.Random(seed)
    whole = whole_images()
    kinds = sorted(whole)
    for i in range(N_MUTATED):
        kind = kinds[i % len(kinds)]
        raw = bytearray(whole[kind])
        for _ in range(chance.choice((1, 2, 8, 40))):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        yield f"mutated-{i:04d}.{kind}", bytes(raw)
    for i in range(N_CUT):
        kind = kinds[i % len(kinds)]
        yield f"cut-{i:04d}.{kind}", whole[kind][: chance.randrange(len(whole[kind]))]
    for i in range(N_NOISE):
        head = whole[chance.choice(kinds)][: chance.randrange(12)]
        yield f"noise-{i:04d}.jpg", head + chance.randbytes(chance.randrange(400))
    for i, raw in enumerate(huge_images()):
        yield f"huge-{i:02d}.png", raw
    others = (b"%PDF-1.7\n", b"PK\x03\x04" + bytes(50), b"<svg/>", b"\x7fELF" + bytes(90), b"text")
    for i, raw in enumerate(others):
        yield f"other-{i}.png", raw
    for i in range(5):
        yield f"empty-{i}.jpg", b""
    for i, kind in enumerate(kinds):
        yield f"mislabelled-{i:02d}.{kinds[i - 1]}", whole[kind]


@pytest.fixture(scope="module")
def rubbish(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rubbish")
    for name, raw in bad_files():
        (root / name).write_bytes(raw)
    (root / "folder.jpg").mkdir()
    (root / "dangling.jpg").symlink_to("nowhere")
    return root


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Replace Keras by a small engine; count how many images are decoded."""
    monkeypatch.setattr(Plan, "build_engine", lambda self, size, engine: MeanEngine(size))
    counted: list[int] = []

    def count(raw: object, geometries: object, digest: bytes) -> object:
        counted.append(1)
        return decode_with_remark(raw, geometries, digest)  # type: ignore[arg-type]

    monkeypatch.setattr(fetch, "decode_with_remark", count)
    return counted


def run(source: Path, store: FeatureStore, **options: object) -> ExtractReport:
    (report,) = extract(open_source(source), [PLAN], store, RunOptions(**options))  # type: ignore[arg-type]
    return report


def test_more_than_a_thousand_bad_images(rubbish: Path, tmp_path: Path, decoded: list[int]) -> None:
    store = FeatureStore(tmp_path)
    report = run(rubbish, store)
    n_files = len([p for p in rubbish.iterdir() if not p.is_dir()])
    assert n_files > 1100
    assert report.record.n_samples == n_files
    assert report.record.n_bad > 400

    features = store.open_features()
    bad = {image.sample_id: image for image in store.read_quarantine(features.manifest.name)}
    with_row = set(features.sample_ids)
    assert with_row.isdisjoint(bad)
    assert len(with_row) + len(bad) == n_files
    assert all(image.reason.strip() and "\n" not in image.reason for image in bad.values())
    assert np.isfinite(np.asarray(features.X)).all()
    assert {f"mislabelled-{i:02d}" for i in range(len(whole_images()))} <= {
        name.split(".")[0] for name in with_row
    }
    for name in ("empty-0.jpg", "other-0.png", "dangling.jpg"):
        assert name in bad
    assert bad["empty-0.jpg"].reason == "the file is empty"
    huge = [image.reason for name, image in bad.items() if name.startswith("huge")]
    assert len(huge) == 16
    assert verify(store).findings == []

    n_decoded = len(decoded)
    run(rubbish, store)
    assert len(decoded) == n_decoded, "what failed once is not tried again"
    again = run(rubbish, store, retry_failed=True)
    assert len(decoded) - n_decoded >= len({image.digest for image in bad.values()} - {""})
    assert again.record.n_bad == report.record.n_bad


def test_too_many_bad_images_are_an_error_after_the_work_is_saved(
    rubbish: Path, tmp_path: Path, decoded: list[int]
) -> None:
    store = FeatureStore(tmp_path)
    with pytest.raises(TooManyBadImagesError) as caught:
        run(rubbish, store, max_bad=BadLimit.parse("1%"))
    assert caught.value.exit_code == 3
    n_rows = len(store.open_features())
    assert n_rows > 200
    n_decoded = len(decoded)
    assert run(rubbish, store).record.n_extracted == 0
    assert len(decoded) == n_decoded
