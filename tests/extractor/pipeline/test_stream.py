"""The one stream: the same bits through each door, and nothing left behind by who stops early."""

from __future__ import annotations

import shutil
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import make_photos
from numpy.typing import NDArray

from featx import FeatureExtractor, FeatureOptions, FeatureStore, RunOptions, ScoreOptions
from featx.classifiers import Model, score_images
from featx.classifiers.heads.registry import make_head
from featx.extractor import extract_features, open_source
from featx.extractor.pipeline.reading import fetch
from featx.extractor.pipeline.scan import scan_source
from featx.extractor.pipeline.stream import FeatureStream
from featx.extractor.plan import make_plan
from featx.extractor.run_options import LogObserver
from featx.extractor.sources import digest_of

OPTIONS = FeatureOptions(
    backbone="mobilenet", weights="random:0", image_size=32, precision="float32"
)
SPEC = make_plan(OPTIONS).spec
Rows = dict[bytes, bytes]


class Kill(BaseException):
    """Stands for Ctrl-C."""


class StopAfter(LogObserver):
    """Interrupts a run after a number of images."""

    def __init__(self, n_images: int) -> None:
        self.n_left = n_images

    def advance(self, n_images: int) -> None:
        self.n_left -= n_images
        if self.n_left <= 0:
            raise Kill


def rows_in(cache: Path) -> Rows:
    """Return all rows of a cache by their digest."""
    shards = FeatureStore(cache).open_set(SPEC)
    digests = np.concatenate([shard.digests for shard in shards.shards])
    X = shards.take(np.arange(len(shards)))
    return {d.tobytes(): x.tobytes() for d, x in zip(digests, X, strict=True)}


def by_extraction(photos: Path, cache: Path, *observer: LogObserver) -> None:
    extract_features(photos, OPTIONS, cache=cache, observer=observer[0] if observer else None)


def by_scoring(photos: Path, cache: Path, *observer: LogObserver) -> None:
    rng = np.random.default_rng(0)
    head = make_head("centroid").fit(rng.normal(size=(6, 1024)).astype(np.float32), [0, 1] * 3)
    model = Model(SPEC, ("a", "b"), "centroid", head)
    options = ScoreOptions(weights="random:0", write_cache=True)
    watch = observer[0] if observer else None
    score_images(model, photos, cache / "p.csv", options, cache=cache, observer=watch)


def by_transformer(photos: Path, cache: Path) -> None:
    extractor = FeatureExtractor("mobilenet", weights="random:0", image_size=32, cache=cache)
    paths = sorted(photos.rglob("*.*"), reverse=True)
    X = extractor.transform(paths)
    stored = rows_in(cache)
    assert {x.tobytes() for x in X} == set(stored.values())


@pytest.fixture
def undisturbed(photos: Path, tmp_path: Path) -> Rows:
    by_extraction(photos, tmp_path / "first")
    return rows_in(tmp_path / "first")


@pytest.mark.parametrize("door", [by_extraction, by_scoring, by_transformer])
def test_each_door_gives_the_same_bits_in_any_order_of_files(
    photos: Path, tmp_path: Path, undisturbed: Rows, door: Callable[..., None]
) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for number, path in enumerate(sorted(photos.rglob("*.*"), reverse=True)):
        shutil.copy(path, flat / f"{number:02d}{path.suffix}")
    (tmp_path / "second").mkdir()
    door(flat, tmp_path / "second")
    assert rows_in(tmp_path / "second") == undisturbed


@pytest.mark.parametrize("door", [by_extraction, by_scoring])
@pytest.mark.parametrize("n_images", [1, 9, 20])
def test_an_interrupted_run_ends_with_the_same_bits(
    photos: Path, tmp_path: Path, undisturbed: Rows, door: Callable[..., None], n_images: int
) -> None:
    (tmp_path / "second").mkdir()
    with pytest.raises(Kill):
        door(photos, tmp_path / "second", StopAfter(n_images))
    kept = rows_in(tmp_path / "second")
    assert kept, "what was computed before the interruption is kept"
    door(photos, tmp_path / "second")
    assert rows_in(tmp_path / "second") == undisturbed


@pytest.mark.parametrize("door", [by_extraction, by_scoring])
def test_a_run_that_goes_on_hashes_only_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, door: Callable[..., None]
) -> None:
    monkeypatch.setattr("featx.cache.manifest.RACY_NS", 0)
    photos, cache = make_photos(tmp_path / "p", 20), tmp_path / "second"
    cache.mkdir()
    with pytest.raises(Kill):
        door(photos, cache, StopAfter(9))
    n_kept = len(rows_in(cache))
    hashed: list[object] = []

    def count(raw: bytes) -> bytes:
        hashed.append(raw)
        return digest_of(raw)

    monkeypatch.setattr(fetch, "digest_of", count)
    door(photos, cache)
    assert 0 < n_kept < 60 and len(hashed) == 60 - n_kept
    door(photos, cache)
    assert len(hashed) == 60 - n_kept


def test_a_single_image_has_the_bits_it_has_among_others(
    photos: Path, tmp_path: Path, undisturbed: Rows
) -> None:
    single = tmp_path / "single"
    single.mkdir()
    shutil.copy(photos / "red" / "00.png", single)
    by_extraction(single, tmp_path / "second")
    assert rows_in(tmp_path / "second").items() <= undisturbed.items()


def test_equal_images_are_kept_once_by_scoring(photos: Path, tmp_path: Path) -> None:
    (photos / "red" / "01.jpg").write_bytes((photos / "blue" / "01.jpg").read_bytes())
    (tmp_path / "c").mkdir()
    by_scoring(photos, tmp_path / "c")
    assert len(FeatureStore(tmp_path / "c").open_set(SPEC)) == len(rows_in(tmp_path / "c")) == 23


class SlowEngine:
    """Takes its time, so that an early end falls into the work."""

    name, kind, on_accelerator = "test/slow", "test", False
    precision, n_parallel = "float32", 2

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size

    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        threading.Event().wait(0.01)
        return (images.mean(axis=(1, 2), dtype=np.float32),)


def state() -> tuple[list[str], list[object], set[str]]:
    """Return what a run must leave as it was: threads, filters of warnings, open files."""
    threads = [t.name for t in threading.enumerate() if t.name.startswith("featx")]
    return threads, list(warnings.filters), {path.name for path in Path("/proc/self/fd").iterdir()}


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files in /proc")
@pytest.mark.parametrize("end", ["break", "close", "error", "never"])
def test_a_consumer_that_stops_early_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    source = open_source(make_photos(tmp_path / "p", 40))
    plan = make_plan(OPTIONS)
    monkeypatch.setattr(type(plan), "build_engine", lambda self, size, engine: SlowEngine(size))
    before = state()

    def consume() -> object:
        scan = scan_source(source)
        with FeatureStream(scan, [plan], None, RunOptions(batch_size=4)) as stream:
            blocks = stream.every_row([range(scan.n_samples)]) if end != "never" else None
            for block in blocks or ():
                if end == "error":
                    raise ZeroDivisionError
                if end == "close":
                    blocks.close()
                assert len(block.indices) == 4
                break
            assert state() != before
        return blocks

    if end == "error":
        with pytest.raises(ZeroDivisionError) as caught:
            consume()
        assert caught.tb is not None, "the frames of the consumer are still there"
    held = consume() if end != "error" else None
    assert state() == before, held


@pytest.mark.parametrize("n_images", [1, 30])
def test_scoring_that_is_interrupted_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_images: int
) -> None:
    photos = make_photos(tmp_path / "p", 20)
    (tmp_path / "c").mkdir()
    by_scoring(photos, tmp_path / "c")
    shutil.rmtree(tmp_path / "c" / "sets")
    before = state()
    with pytest.raises(Kill) as caught:
        by_scoring(photos, tmp_path / "c", StopAfter(n_images))
    threads, filters, _ = state()
    assert (threads, filters) == before[:2], caught
