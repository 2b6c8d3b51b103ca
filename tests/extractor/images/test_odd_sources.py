"""Odd images through the command line: chosen, said, recorded, scored alike."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from featx.cache import FeatureStore
from featx.extractor.extract import extract
from featx.extractor.extract_report import ExtractReport
from featx.extractor.plan import FeatureOptions, Plan, make_plan
from featx.extractor.run_options import LogObserver, RunOptions
from featx.extractor.sources import open_source
from images_made import PNG_SIGNATURE, chunk, deep_png, encoded, pattern, png_with, tiff
from tests_shared import Cli

OPTIONS = {"backbone": "mobilenet", "weights": "random:0", "image_size": 32}
PIXELS = pattern(64, 64)
DEEP = np.rint(PIXELS / 255 * 4095).astype(np.uint16)
SBIT = chunk(b"sBIT", b"\x0c\x0c\x0c")


class PixelEngine:
    """Features are the pixels themselves."""

    name = kind = "test/pixels"
    on_accelerator = False
    precision = "float32"
    n_parallel = 1

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size

    def run(self, images):
        return (images.reshape(len(images), -1).astype(np.float32),)


class Listener(LogObserver):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Extract with a small engine; return the report and what was said."""
    monkeypatch.setattr(Plan, "build_engine", lambda self, size, engine: PixelEngine(size))

    def extracted(root, pixel_range="auto", **options) -> tuple[ExtractReport, str]:
        plan = make_plan(FeatureOptions(precision="float32", pixel_range=pixel_range, **OPTIONS))
        listener, store = Listener(), FeatureStore(tmp_path / "cache")
        chosen = RunOptions(batch_size=4, **options)
        (report,) = extract(open_source(root), [plan], store, chosen, listener)
        return report, "\n".join(listener.said)

    return extracted


def write(root: Path, **files: bytes) -> Path:
    """Write files whose names end behind an underscore: ``a_png`` is a.png."""
    root.mkdir(exist_ok=True)
    for name, raw in files.items():
        (root / name.replace("_", ".")).write_bytes(raw)
    return root


def features(report, root):
    """Return a report's spec, and its rows by name."""
    found = FeatureStore(root.parent / "cache").open_features(report.name)
    return found.spec, dict(zip(found.sample_ids, np.asarray(found.X[:]), strict=True))


def test_a_12_bit_picture_has_the_features_of_its_twin(run, tmp_path):
    root = write(tmp_path / "p", eight_png=encoded(PIXELS), twelve_png=deep_png(DEEP, 2))
    report, said = run(root)
    spec, rows = features(report, root)
    assert spec.pixel_range == "0:4095"
    np.testing.assert_allclose(rows["eight.png"], rows["twelve.png"], atol=1)
    assert "0:4095" in said and "guess" in said
    assert any("--pixel-range" in warning for warning in report.warnings)
    assert "guess" in report.record.notes["pixel_range"]


def test_what_the_files_state_needs_no_warning(run, tmp_path):
    root = write(tmp_path / "p", eight_png=encoded(PIXELS), twelve_png=deep_png(DEEP, 2, SBIT))
    report, said = run(root)
    assert features(report, root)[0].pixel_range == "0:4095" and not report.warnings
    assert "their files state this range" in said


def test_sources_of_8_bits_keep_their_fingerprint_and_hear_nothing(run, tmp_path):
    root = write(tmp_path / "p", a_png=encoded(PIXELS), b_jpg=encoded(PIXELS, "JPEG"))
    report, said = run(root)
    assert "pixel_range" not in features(report, root)[0].to_json() and not said
    again, _ = run(root, "full")
    assert again.record.fingerprint == report.record.fingerprint and again.record.n_cached == 2


def test_a_range_that_is_asked_for_is_taken(run, tmp_path):
    values = PIXELS[..., 0].astype(np.float32) / 255 * 4000 - 2000
    root = write(tmp_path / "p", a_tif=tiff(values), b_png=encoded(PIXELS[..., 0]))
    spec, rows = features(run(root, "-2000:2000")[0], root)
    assert spec.pixel_range == "-2000:2000"
    np.testing.assert_array_equal(rows["a.tif"], rows["b.png"])


def test_pages_and_damage_are_counted_once_and_recorded(run, tmp_path):
    with tifffile.TiffWriter(tmp_path / "pages.tif") as writer:
        for pixels in (PIXELS, PIXELS[::-1]):
            writer.write(pixels, photometric="rgb", metadata=None)
    pages = (tmp_path / "pages.tif").read_bytes()
    damaged = png_with(encoded(PIXELS), chunk(b"tEXt", b"a\0b", crc=1))
    root = write(tmp_path / "p", a_tif=pages, b_png=damaged, c_png=encoded(PIXELS[:, ::-1]))
    report, _ = run(root)
    several = "several pages in one file: the first was taken"
    assert report.remarks[several] == 1 and len(report.remarks) == 2
    store, name = FeatureStore(tmp_path / "cache"), report.record.manifest + ".remarks"
    recorded = store.read_quarantine(name)
    assert [image.sample_id for image in recorded] == ["a.tif", "b.png"]
    assert "checksum" in recorded[1].reason
    write(root, d_png=encoded(PIXELS[::-1]))
    assert run(root)[0].remarks == {}
    assert store.read_quarantine(name) == recorded


def test_the_limit_on_pixels_is_an_option(run, tmp_path):
    root = write(tmp_path / "p", a_png=encoded(pattern(300, 300)), b_png=encoded(PIXELS))
    report, _ = run(root, max_pixels=5000)
    assert [image.reason.partition("allow more with ")[2] for image in report.bad] == [
        "--max-pixels 90000, or shrink the image"
    ]
    assert not run(root, max_pixels=90_000, retry_failed=True)[0].bad
    assert Image.MAX_IMAGE_PIXELS == 89_478_485


@pytest.mark.parametrize("error", [MemoryError("no room"), TypeError("a fault of featx")])
def test_memory_and_our_own_faults_are_no_bad_images(run, tmp_path, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr("featx.extractor.images.encoded.to_rgb", fail)
    root = write(tmp_path / "p", a_png=encoded(PIXELS))
    with pytest.raises(type(error), match=str(error)):
        run(root)
    assert not list((tmp_path / "cache").glob("quarantine/*"))


def test_a_signature_alone_is_named(run, tmp_path):
    root = write(tmp_path / "p", a_png=PNG_SIGNATURE, b_png=encoded(PIXELS))
    assert run(root)[0].bad[0].reason == "the PNG is cut short: it holds no pixels"


def test_the_commands_take_the_options_and_scoring_warns(cli: Cli, tmp_path):
    for label, pixels in (("a", PIXELS), ("b", PIXELS[::-1])):
        (tmp_path / "train" / label).mkdir(parents=True)
        for number in range(8):
            raw = encoded(pixels // (number + 1))
            (tmp_path / "train" / label / f"{number}.png").write_bytes(raw)
    run = cli("extract", "train", "--pixel-range", "12bit")
    assert run.exit_code == 1 and "Expected auto, full, or LOW:HIGH" in run.output
    run = cli("extract", "train", "--max-pixels", "4096", "--pixel-range", "full")
    assert run.exit_code == 0, run.output
    assert cli("fit", "--head", "centroid", "--out", "m.featx").exit_code == 0
    root = write(tmp_path / "p", twelve_png=deep_png(DEEP, 2, SBIT))
    scored = cli("score", "m.featx", root, "--out", "out.csv", "--max-pixels", "4096")
    assert scored.exit_code == 0, scored.output
    assert "pixel range full, but these look otherwise" in " ".join(scored.output.split())
