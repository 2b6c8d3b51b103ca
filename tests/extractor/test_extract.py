"""Extraction through a real pipeline with a small engine: rows, duplicates, interruptions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import make_photos
from numpy.typing import NDArray
from PIL import Image

from featx.cache import BadImage, FeatureStore
from featx.cache.errors import BackboneError, ConfigError
from featx.extractor.extract import extract as extract_all
from featx.extractor.extract_report import ExtractReport
from featx.extractor.images.decode import decoder_id
from featx.extractor.pipeline.reading.reader import HANDFUL, Item, read_ahead
from featx.extractor.pipeline.scan import scan_source
from featx.extractor.pipeline.stream import FeatureBlock, FeatureStream
from featx.extractor.plan import FeatureOptions, Plan, make_plan
from featx.extractor.run_options import BadLimit, RunOptions
from featx.extractor.sources import Source, digest_of, open_source

PLAN = make_plan(
    FeatureOptions(backbone="mobilenet", weights="random:0", image_size=32, precision="float32")
)


class MeanEngine:
    """Features are the mean colours of the four quarters; fails or stops when told to."""

    name = kind = "test/mean"
    on_accelerator = False
    precision = "float32"
    n_parallel = 1

    def __init__(self, batch_size: int, stop_after: int | None = None) -> None:
        self.batch_size, self.stop_after, self.n_runs = batch_size, stop_after, 0

    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        assert images.shape == (self.batch_size, 32, 32, 3)
        if self.n_runs == self.stop_after:
            raise KeyboardInterrupt
        self.n_runs += 1
        quarters = images.reshape(-1, 2, 16, 2, 16, 3).mean(axis=(2, 4), dtype=np.float32)
        return (quarters.reshape(len(images), -1),)


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> list[MeanEngine]:
    """Every engine that the test builds; ``engines[0].stop_after`` may be set beforehand."""
    built: list[MeanEngine] = []

    def build(batch_size: int) -> MeanEngine:
        built.append(MeanEngine(batch_size))
        return built[-1]

    use(monkeypatch, build)
    return built


def use(patch: pytest.MonkeyPatch, build: Callable[[int], MeanEngine]) -> None:
    """Let ``build`` make the engines."""
    patch.setattr(Plan, "build_engine", lambda self, batch_size, engine: build(batch_size))


def extract(source: Source, plan: Plan, store: FeatureStore, *options: RunOptions) -> ExtractReport:
    (report,) = extract_all(source, [plan], store, *options)
    return report


def rows_of(store: FeatureStore) -> dict[str, list[float]]:
    features = store.open_features()
    X = np.asarray(features.X)
    return {name: X[i].tolist() for i, name in enumerate(features.sample_ids)}


def test_rows_stand_in_the_order_of_the_source(tmp_path: Path, engines: list[MeanEngine]) -> None:
    source = open_source(make_photos(tmp_path / "p"))
    store = FeatureStore(tmp_path / "c")
    extract(source, PLAN, store, RunOptions(batch_size=5, workers=3))
    features = store.open_features()
    assert features.sample_ids == source.listing().sample_ids
    means = np.asarray(features.X).reshape(-1, 4, 3).mean(axis=1)
    assert (means.argmax(axis=1) == np.array([2, 1, 0])[features.y]).all()
    assert engines[0].n_runs == 5


def test_a_run_that_is_interrupted_goes_on_and_ends_with_the_same_bits(
    tmp_path: Path, engines: list[MeanEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source(make_photos(tmp_path / "p"))
    whole, cut = FeatureStore(tmp_path / "whole"), FeatureStore(tmp_path / "cut")
    extract(source, PLAN, whole, RunOptions(batch_size=4))
    stopping = MeanEngine(4, stop_after=3)
    with monkeypatch.context() as patch:
        use(patch, lambda batch_size: stopping)
        with pytest.raises(KeyboardInterrupt):
            extract(source, PLAN, cut, RunOptions(batch_size=4))
    assert len(cut.open_set(PLAN.spec)) == 12
    report = extract(source, PLAN, cut, RunOptions(batch_size=4))
    assert (report.record.n_extracted, report.record.n_cached) == (12, 12)
    assert rows_of(cut) == rows_of(whole)


def test_equal_images_are_computed_once(tmp_path: Path, engines: list[MeanEngine]) -> None:
    root = make_photos(tmp_path / "p")
    for name in ("x", "y", "z"):
        (root / "red" / f"{name}.png").write_bytes((root / "red" / "00.png").read_bytes())
        (root / "red" / f"bad-{name}.png").write_bytes(b"broken")
    store = FeatureStore(tmp_path / "c")
    report = extract(open_source(root), PLAN, store, RunOptions(batch_size=2, workers=4))
    assert report.record.n_extracted == 24
    assert [image.sample_id for image in report.bad] == [f"red/bad-{n}.png" for n in "xyz"]
    assert len(store.open_features()) == 27
    assert sum(engine.n_runs for engine in engines) == 12


def test_known_bad_images_are_tried_again_only_on_request(
    tmp_path: Path, engines: list[MeanEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_photos(tmp_path / "p")
    (root / "bad.png").write_bytes(b"broken")
    store, source = FeatureStore(tmp_path / "c"), open_source(root)
    extract(source, PLAN, store)
    decoded: list[object] = []
    monkeypatch.setattr(
        "featx.extractor.pipeline.reading.fetch.decode_with_remark",
        lambda raw, g: decoded.append(raw) or [np.zeros(1)],
    )
    report = extract(source, PLAN, store)
    assert decoded == [] and len(report.bad) == 1
    monkeypatch.undo()
    again = extract(source, PLAN, store, RunOptions(retry_failed=True))
    assert "plain text" in again.bad[0].reason


def test_images_that_an_older_decoder_refused_are_tried_again(
    tmp_path: Path, engines: list[MeanEngine]
) -> None:
    source, store = open_source(make_photos(tmp_path / "p")), FeatureStore(tmp_path / "c")
    digest = digest_of(source.read(0)).hex()
    for decoder, n_bad in ((decoder_id(), 1), ("", 0)):
        name = source.listing().sample_ids[0]
        store.write_quarantine(source.name, [BadImage(name, digest, "too new", decoder)])
        assert extract(source, PLAN, store).record.n_bad == n_bad


def test_a_larger_limit_on_pixels_tries_images_again(
    tmp_path: Path, engines: list[MeanEngine]
) -> None:
    root, store = make_photos(tmp_path / "p"), FeatureStore(tmp_path / "c")
    Image.new("RGB", (100, 100), "red").save(root / "red" / "large.png")
    source = open_source(root)
    for max_pixels, n_bad in ((5000, 1), (5000, 1), (None, 0)):
        report = extract(source, PLAN, store, RunOptions(max_pixels=max_pixels))
        assert report.record.n_bad == n_bad


def test_numbers_that_are_not_finite_stop_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(MeanEngine):
        def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
            return (np.full((self.batch_size, 3), np.nan, np.float32),)

    use(monkeypatch, Broken)
    store = FeatureStore(tmp_path / "c")
    with pytest.raises(BackboneError, match="NaN"):
        extract(open_source(make_photos(tmp_path / "p")), PLAN, store)
    assert len(store.open_set(PLAN.spec)) == 0


def every_row(source: Source, store: FeatureStore | None = None) -> list[FeatureBlock]:
    """Stream a source's features in two ranges."""
    scan = scan_source(source, store)
    half = scan.n_samples // 2
    with FeatureStream(scan, [PLAN], store, RunOptions(batch_size=7)) as stream:
        return list(stream.every_row([range(half), range(half, scan.n_samples)]))


def test_streamed_features_equal_the_cached_ones(tmp_path: Path, engines: list[MeanEngine]) -> None:
    root = make_photos(tmp_path / "p")
    (root / "blue" / "bad.png").write_bytes(b"broken")
    source, store = open_source(root), FeatureStore(tmp_path / "c")
    streamed = every_row(source)
    extract(source, PLAN, store)
    cached = every_row(source, store)
    for blocks in (streamed, cached):
        assert np.concatenate([block.indices for block in blocks]).tolist() == list(range(25))
        ok = np.concatenate([block.ok for block in blocks])
        assert ok.sum() == 24 and not ok[8]
    X = np.concatenate([block.X for block in streamed])
    assert np.array_equal(X, np.concatenate([block.X for block in cached]))
    assert np.array_equal(X, np.asarray(store.open_features().X))
    assert sum(block.n_cached for block in cached) == 24


def test_blocks_of_cached_and_computed_rows_keep_the_order(
    tmp_path: Path, engines: list[MeanEngine]
) -> None:
    root = make_photos(tmp_path / "p")
    store = FeatureStore(tmp_path / "c")
    for name in ("blue", "red"):
        extract(open_source(root / name), PLAN, store)
    X = np.concatenate([block.X for block in every_row(open_source(root))])
    blocks = every_row(open_source(root), store)
    assert np.array_equal(X, np.concatenate([block.X for block in blocks]))
    assert sum(block.n_cached for block in blocks) == 16
    assert sum(len(batch) for block in blocks for _, batch in block.new) == 8


def test_read_ahead_keeps_the_order_and_the_window() -> None:
    taken: list[int] = []

    def reader(index: int) -> Item:
        taken.append(index)
        return Item(index, b"")

    for window in (1, 10):
        taken.clear()
        items = read_ahead(reader, range(100), workers=4, window=partial(int, window))
        assert next(items).index == 0
        assert len(taken) <= max(window, HANDFUL)
        assert [item.index for item in items] == list(range(1, 100))


@pytest.mark.parametrize("text", ["", "x", "-1", "200%", "1.5"])
def test_bad_limit_refuses_nonsense(text: str) -> None:
    with pytest.raises(ConfigError):
        BadLimit.parse(text)
