"""Several backbones and layers from one decoding; batches, OOM and a full disk."""

from __future__ import annotations

import numpy as np
import pytest

from featx import FeatureOptions, FeatureStore, RunOptions
from featx.cache.errors import CacheWriteError
from featx.extractor import extract_features, extract_several, open_source
from featx.extractor import plan as plans
from featx.extractor.images.decode import decode
from featx.extractor.images.geometry import Geometry
from featx.extractor.pipeline import writer
from featx.extractor.pipeline.reading import fetch
from tests_engines import SumEngine

FLOAT32 = {"weights": "random:0", "precision": "float32"}


def options(backbone="mobilenet", layer=None, size=32, **more):
    return FeatureOptions(backbone=backbone, layer=layer, image_size=size, **{**FLOAT32, **more})


@pytest.fixture
def fake(monkeypatch):
    """Engines that add pixels up, one number for each output; keeps those that were built."""
    built = []

    class Fake(SumEngine):
        def __init__(self, network, batch_size):
            super().__init__(batch_size, fits=Fake.fits)
            self.network = network

        def run(self, images):
            (sums,) = super().run(images)
            return tuple(sums + i for i in range(len(self.network.outputs)))

    Fake.fits = 10**9

    def build(network, precision, engine, batch_size):
        built.append(Fake(network, batch_size))
        return built[-1]

    monkeypatch.setattr(plans, "build_engine", build)
    return built, Fake


def count_decodes(monkeypatch):
    calls = []
    decode = fetch.decode_with_remark

    def counted(raw, geometries, digest):
        calls.append(len(geometries))
        return decode(raw, geometries, digest)

    monkeypatch.setattr(fetch, "decode_with_remark", counted)
    return calls


def test_backbones_and_layers_share_one_decoding(photos, tmp_path, fake, monkeypatch):
    built, _ = fake
    calls = count_decodes(monkeypatch)
    kinds = [
        options(layer="conv_pw_13_relu"),
        options(layer="conv_pw_5_relu"),
        options("vgg19"),
        options("resnet50", size=40),
    ]
    reports = extract_several(photos, kinds, cache=tmp_path)
    assert len({r.record.fingerprint for r in reports}) == 4
    assert all(r.record.n_extracted == 24 for r in reports)
    assert len(calls) == 24 and set(calls) == {2}
    assert [len(engine.network.outputs) for engine in built] == [2, 1, 1]
    assert FeatureStore(tmp_path).find().name == reports[0].name


def test_only_what_a_set_lacks_is_computed(photos, tmp_path, fake):
    built, _ = fake
    extract_features(photos, options(), cache=tmp_path)
    del built[:]
    reports = extract_several(photos, [options("vgg19"), options()], cache=tmp_path)
    assert [r.record.n_extracted for r in reports] == [24, 0]
    assert [engine.network.record.name for engine in built] == ["vgg19"]


def test_rows_belong_to_their_images_whatever_the_batches(photos, tmp_path, fake):
    for batch_size in (1, 7, 32):
        place = tmp_path / str(batch_size)
        run = RunOptions(batch_size=batch_size, workers=3)
        extract_features(photos, options(), cache=place, run=run)
        found = FeatureStore(place).open_features()
        source = open_source(photos)
        for row in (0, 11, 23):
            (image,) = decode(source.read(row), [Geometry(32, 32)])
            assert found.X[row][0] == image.astype(np.float32).sum()


def test_memory_that_runs_out_halves_the_batch_and_is_reported(photos, tmp_path, fake):
    _, kind = fake
    kind.fits = 5
    report = extract_features(photos, options(), cache=tmp_path, run=RunOptions(batch_size=16))
    assert report.record.n_extracted == 24
    assert report.record.notes["batch_size"] == 4
    assert "went down to 4" in report.warnings[0]


def test_a_failing_engine_keeps_what_was_computed(photos, tmp_path, fake, monkeypatch):
    _, kind = fake
    whole = kind.run
    left = [2]

    def run(self, images):
        left[0] -= 1
        if left[0] < 0:
            raise ZeroDivisionError("the engine broke")
        return whole(self, images)

    monkeypatch.setattr(kind, "run", run)
    with pytest.raises(ZeroDivisionError):
        extract_features(photos, options(), cache=tmp_path, run=RunOptions(batch_size=4))
    monkeypatch.setattr(kind, "run", whole)
    report = extract_features(photos, options(), cache=tmp_path, run=RunOptions(batch_size=4))
    assert report.record.n_cached == 8 and report.record.n_extracted == 16


def test_a_full_disk_ends_the_run_with_what_was_written(photos, tmp_path, fake, monkeypatch):
    monkeypatch.setattr(writer, "UNSAVED_BYTES", 1)
    monkeypatch.setattr(writer, "ON_THEIR_WAY", 1)
    write, left = FeatureStore.write_rows, [2]

    def full(self, spec, batches):
        left[0] -= 1
        if left[0] < 0:
            raise CacheWriteError("cannot write: no space left")
        return write(self, spec, batches)

    monkeypatch.setattr(FeatureStore, "write_rows", full)
    with pytest.raises(CacheWriteError, match="no space"):
        extract_features(photos, options(), cache=tmp_path, run=RunOptions(batch_size=4))
    monkeypatch.undo()
    monkeypatch.setattr(plans, "build_engine", lambda n, p, e, size: fake[1](n, size))
    report = extract_features(photos, options(), cache=tmp_path, run=RunOptions(batch_size=4))
    assert report.record.n_cached >= 4
    assert report.record.n_cached + report.record.n_extracted == 24
