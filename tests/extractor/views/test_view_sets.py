"""Views of images in the cache: each a set beside that of the images themselves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from images_shared import make_photos
from numpy.typing import NDArray

from featx.cache import FeatureSpec, FeatureStore
from featx.cache.errors import ConfigError
from featx.cache.maintenance.gc import find_garbage
from featx.cache.maintenance.rm import remove
from featx.cache.maintenance.verify import verify
from featx.extractor.api import extract_features, extract_several, options_of_views
from featx.extractor.extract_report import ExtractReport
from featx.extractor.images.decode import decode
from featx.extractor.images.geometry import Geometry
from featx.extractor.pipeline.reading.reader import Reader
from featx.extractor.plan import FeatureOptions, Plan, make_plan
from featx.extractor.run_options import RunOptions
from featx.extractor.sources import digest_of, open_source
from featx.extractor.views.view import View
from featx.extractor.views.views import Views
from tests_shared import Cli

OPTIONS = FeatureOptions(
    backbone="mobilenet", weights="random:0", image_size=32, precision="float32"
)


class PixelEngine:
    """Features are the first pixels of the image that the backbone sees."""

    name = kind = "test/pixels"
    on_accelerator = False
    precision = "float32"
    n_parallel = 1

    def __init__(self, batch_size: int) -> None:
        self.batch_size, self.n_runs = batch_size, 0

    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        self.n_runs += 1
        return (images.reshape(len(images), -1)[:, ::7].astype(np.float32),)


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> list[PixelEngine]:
    """Every engine that the test builds."""
    built: list[PixelEngine] = []

    def build(plan: Plan, batch_size: int, engine: str) -> PixelEngine:
        built.append(PixelEngine(batch_size))
        return built[-1]

    monkeypatch.setattr(Plan, "build_engine", build)
    return built


def extract(
    source: Path, n_views: int, cache: Path, ops: str = "crop,flip", **run: int
) -> list[ExtractReport]:
    options = options_of_views(Views(n_views, ops, 3), OPTIONS)
    return extract_several(source, options, cache=cache, run=RunOptions(batch_size=4, **run))


def rows_of(store: FeatureStore, spec: FeatureSpec, root: Path) -> NDArray[np.float32]:
    shards = store.open_set(spec)
    digests = [digest_of(path.read_bytes()) for path in sorted(root.rglob("*.*"))]
    rows = shards.index.find(np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32))
    assert (rows >= 0).all()
    return np.asarray(shards.take(rows))


def test_the_images_keep_their_fingerprint_and_each_view_has_its_own() -> None:
    plain = make_plan(OPTIONS).spec
    specs = [make_plan(one).spec for one in options_of_views(Views(4, "flip, crop", 3), OPTIONS)]
    assert specs[0] == plain
    assert "view_ops" not in plain.to_json()
    assert len({spec.fingerprint for spec in specs}) == 4
    assert {spec.original for spec in specs} == {plain}
    assert [spec.view for spec in specs] == [0, 1, 2, 3]
    assert specs[2].view_ops == "crop,flip"
    assert FeatureSpec.from_json(specs[3].to_json()) == specs[3]
    assert json.loads(specs[3].to_json())["views"] == 1
    assert "view 3" in specs[3].describe()
    with pytest.raises(ConfigError, match="what it changes"):
        FeatureSpec(**{**vars(plain), "view": 2})
    with pytest.raises(ConfigError, match="counts from 1"):
        options_of_views(Views(0), OPTIONS)
    with pytest.raises(ConfigError, match="unknown operation 'blur'"):
        options_of_views(Views(2, "blur"), OPTIONS)


def test_more_views_leave_what_is_there(tmp_path: Path, engines: list[PixelEngine]) -> None:
    root, cache = make_photos(tmp_path / "p"), tmp_path / "c"
    store = FeatureStore(cache)
    first = extract(root, 2, cache)
    assert [report.record.n_extracted for report in first] == [24, 24]
    assert len(engines) == 1, "views share one engine"
    assert engines[0].n_runs == 2 * 6
    before = rows_of(store, first[1].spec, root)
    more = extract(root, 4, cache)
    assert [report.record.n_extracted for report in more] == [0, 0, 24, 24]
    assert [report.record.n_cached for report in more] == [24, 24, 0, 0]
    assert engines[1].n_runs == 2 * 6
    np.testing.assert_array_equal(rows_of(store, first[1].spec, root), before)
    assert {int(v) for v in store.open_set(more[3].spec).shards[0].views} == {3}
    assert store.find().spec == first[0].spec, "the images themselves count as the newest"
    assert verify(store).findings == []
    assert not find_garbage(store).rows


def test_a_view_is_the_image_drawn_by_its_digest(
    tmp_path: Path, engines: list[PixelEngine]
) -> None:
    root, cache = make_photos(tmp_path / "p"), tmp_path / "c"
    reports = extract(root, 3, cache)
    store = FeatureStore(cache)
    views = [None, *(View(number, 3, ("crop", "flip")) for number in (1, 2))]
    for report, view in zip(reports, views, strict=True):
        expected = []
        for path in sorted(root.rglob("*.*")):
            raw = path.read_bytes()
            pixels = decode(raw, [Geometry(32, 32)])[0]
            if view is not None:
                (whole,) = decode(raw, [Geometry(*_size(path))])
                resized = Geometry(32, 32).apply(view.cropped(whole, digest_of(raw)))
                pixels = view.altered(resized, digest_of(raw))
            expected.append(pixels.reshape(-1)[::7])
        np.testing.assert_array_equal(rows_of(store, report.spec, root), expected)


def _size(path: Path) -> tuple[int, int]:
    from PIL import Image

    with Image.open(path) as image:
        return image.height, image.width


def test_an_image_is_decoded_once_for_all_views(
    tmp_path: Path, engines: list[PixelEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    from featx.extractor.images.encoded import EncodedImage

    decoded = []
    whole = EncodedImage.rgb
    monkeypatch.setattr(
        EncodedImage, "rgb", lambda self, geometry: decoded.append(1) or whole(self, geometry)
    )
    extract(make_photos(tmp_path / "p"), 4, tmp_path / "c")
    assert len(decoded) == 24


def test_a_run_over_views_that_was_cut_goes_on(
    tmp_path: Path, engines: list[PixelEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, cache, whole = make_photos(tmp_path / "p"), tmp_path / "c", tmp_path / "whole"
    read = Reader.__call__

    def stop(self: Reader, index: int) -> object:
        if index == 13:
            raise KeyboardInterrupt
        return read(self, index)

    with monkeypatch.context() as patch:
        patch.setattr(Reader, "__call__", stop)
        with pytest.raises(KeyboardInterrupt):
            extract(root, 3, cache, workers=1)
    reports = extract(root, 3, cache)
    counts = [report.record.n_extracted for report in reports]
    assert counts[0] == counts[1] == counts[2] == 12
    extract(root, 3, whole)
    for report in reports:
        np.testing.assert_array_equal(
            rows_of(FeatureStore(cache), report.spec, root),
            rows_of(FeatureStore(whole), report.spec, root),
        )


def test_names_mean_the_images_and_rm_takes_their_views_along(
    tmp_path: Path, engines: list[PixelEngine]
) -> None:
    root, cache = make_photos(tmp_path / "p"), tmp_path / "c"
    first = extract(root, 3, cache)
    store = FeatureStore(cache)
    for name in (None, "p", "mobilenet", first[0].name):
        assert store.find(name).spec == first[0].spec
    assert store.find(first[2].name).spec == first[2].spec
    assert store.find("p", only_one=True).spec == first[0].spec
    other = options_of_views(Views(2, "flip"), OPTIONS)
    extract_several(open_source(root), other, cache=cache, run=RunOptions(batch_size=4))
    removed = remove(store, "p")
    assert len(removed.views) == 3
    assert removed.total_bytes > removed.n_bytes
    assert store.list_features() == []
    assert not list((cache / "sets").iterdir())


def test_the_listing_has_one_line_for_the_views(cli: Cli, engines: list[PixelEngine]) -> None:
    make_photos(Path("photos"))
    command = "extract photos -b mobilenet --weights random:0 --size 32 --precision float32"
    text = cli(*command.split(), "--views", "3").stdout
    assert "24 images: 24 extracted" in text
    assert "2 random views of each image (crop,flip,rotation,brightness): 48 rows" in text
    again = cli(*command.split(), "--views", "4", "--view-ops", "flip", "--json")
    sets = json.loads(again.stdout)["sets"]
    assert [one["view"] for one in sets] == [0, 1, 2, 3]
    listing = cli("cache", "ls").stdout
    assert listing.count("mobilenet") == 1
    assert "  3 random views (flip):" in listing
    assert "  2 random views (crop,flip,rotation,brightness):" in listing
    assert len(json.loads(cli("cache", "ls", "--json").stdout)) == 6
    refused = cli(*command.split(), "--view-ops", "flip")
    assert refused.exit_code == 1
    assert "--view-ops belongs to --views: add that" in refused.stderr


def test_one_call_extracts_images_and_their_views(
    tmp_path: Path, engines: list[PixelEngine]
) -> None:
    root, cache = make_photos(tmp_path / "p"), tmp_path / "c"
    views = Views(3, "crop,flip", 3)
    report = extract_features(root, OPTIONS, views=views, cache=cache)
    assert report.spec.view == 0
    stored = {one.spec for one in FeatureStore(cache).list_features()}
    assert stored == set(views.specs_of(report.spec))
    assert [one.record.n_extracted for one in extract(root, 3, cache)] == [0, 0, 0]
