"""FeatureExtractor inside scikit-learn: one extraction, however often the images are asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import SkipTestWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

from featx import FeatureExtractor, FeatureOptions, FeatureStore, extract
from featx.cache.errors import (
    ConfigError,
    FeaturesNotFoundError,
    ImageError,
    SourceFormatError,
    UnknownBackboneError,
)
from featx.cache.maintenance.gc import collect_garbage
from featx.cache.maintenance.rm import remove
from featx.extractor.plan import Plan
from tests_shared import CHEAP, Cli

OPTIONS = {
    "backbone": "mobilenet",
    "weights": "random:0",
    "image_size": 32,
    "batch_size": 8,
    "precision": "float32",
}


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of images of each run of the engine."""
    counted: list[int] = []
    build = Plan.build_engine

    def counting(self: Plan, *words: object) -> object:
        engine = build(self, *words)
        run = engine.run

        def counted_run(images: np.ndarray) -> object:
            counted.append(len(images))
            return run(images)

        engine.run = counted_run
        return engine

    monkeypatch.setattr(Plan, "build_engine", counting)
    return counted


def files(photos: Path) -> tuple[list[str], list[str]]:
    paths = sorted(photos.rglob("*.*"))
    return [str(p) for p in paths], [p.parent.name for p in paths]


def test_searching_and_validating_extract_each_image_once(
    photos: Path, tmp_path: Path, runs: list[int]
) -> None:
    X, y = files(photos)
    extractor = FeatureExtractor(**OPTIONS, cache=tmp_path / "cache")
    pipeline = make_pipeline(extractor, StandardScaler(), LogisticRegression())
    assert cross_val_score(pipeline, X, y, cv=3).mean() > 0.8
    assert sum(runs) == 24
    search = GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1.0]}, cv=3).fit(X, y)
    assert search.best_score_ > 0.8 and sum(runs) == 24
    assert len(FeatureStore(tmp_path / "cache").open_set(extractor.fit(X).spec_)) == 24


def test_paths_arrays_and_equal_images_give_one_row(tmp_path: Path, runs: list[int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 20, 24, 3), np.uint8)
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    extractor = FeatureExtractor(**OPTIONS, cache=tmp_path / "cache")
    from_arrays = extractor.transform(pixels)
    assert from_arrays.shape == (3, 1024) and from_arrays.dtype == np.float32
    paths = np.array([[str(tmp_path / f"{i}.png")] for i in (2, 0, 2, 1)])
    from_paths = extractor.fit_transform(paths)
    np.testing.assert_allclose(from_paths, from_arrays[[2, 0, 2, 1]], atol=1e-5)
    assert len(runs) == 2
    grey = extractor.transform([pixels[0, :, :, 0], pixels[0]])
    assert np.array_equal(grey[1], from_arrays[0])


def test_its_rows_are_listed_kept_by_gc_and_removed_by_rm(photos: Path, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "cache")
    X, _ = files(photos)
    extractor = FeatureExtractor(**OPTIONS, cache=store.root)
    for part in (X[:16], X[8:]):
        extractor.transform(part)
    assert collect_garbage(store).n_rows == 0
    (stored,) = store.list_features()
    assert (stored.record.kind, stored.record.n_samples) == ("transform", 24)
    assert len(store.open_features("transformer")) == 24
    with pytest.raises(FeaturesNotFoundError, match="no features of a finished extraction"):
        store.open_features()
    remove(store, "transformer")
    assert not list(store.root.rglob("*.h5"))


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    extractor = FeatureExtractor(**OPTIONS, cache=tmp_path / "cache")
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"bad\.png"):
        extractor.transform([str(tmp_path / "bad.png")])
    with pytest.raises(ImageError, match=r"absent\.png"):
        extractor.transform([tmp_path / "absent.png"])
    for wrong in (np.zeros((4, 8)), np.zeros((2, 8, 8, 3)), [], "one.png", [3]):
        with pytest.raises(SourceFormatError):
            extractor.transform(wrong)
    with pytest.raises(UnknownBackboneError, match="mobilenet"):
        FeatureExtractor("mobilnet").fit(["x.png"])
    with pytest.raises(ConfigError, match="32 pixels or more"):
        FeatureExtractor("mobilenet", weights="random:0", image_size=8).fit(["x.png"])


def test_the_command_the_function_and_the_transformer_share_their_rows(
    cli: Cli, photos: Path
) -> None:
    assert cli("extract", photos, *CHEAP).exit_code == 0
    options = {"backbone": "mobilenet", "weights": "random:0", "image_size": 32}
    report = extract(photos, FeatureOptions(**options))
    assert (report.record.n_extracted, report.record.n_cached) == (0, 24)
    extractor = FeatureExtractor(**options).fit(["any.png"])
    assert extractor.spec_.fingerprint == report.record.fingerprint


def test_set_output_names_its_columns(photos: Path, tmp_path: Path) -> None:
    X, _ = files(photos)
    extractor = FeatureExtractor("pixels", image_size=8, cache=tmp_path / "cache")
    with pytest.raises(ConfigError, match="call transform first"):
        FeatureExtractor("pixels", image_size=8, layer="pixels", pool="max").get_feature_names_out()
    plain = extractor.transform(X)
    names = extractor.get_feature_names_out()
    assert names.shape == (192,) and names[1] == "featureextractor1"
    pytest.importorskip("pandas")
    frame = extractor.set_output(transform="pandas").transform(X)
    assert list(frame.columns) == list(names) and np.array_equal(frame.to_numpy(), plain)


def test_it_is_an_estimator() -> None:
    extractor = FeatureExtractor(**OPTIONS)
    copy = clone(extractor)
    assert copy.get_params() == extractor.get_params() and copy is not extractor
    assert copy.set_params(pool="max").pool == "max"
    with pytest.warns(SkipTestWarning, match="string=True"):
        found = list(estimator_checks.estimator_checks_generator(extractor))
    assert found
    for estimator, check in found:
        check(estimator)
    for check in (
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_set_params,
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_estimator_repr,
    ):
        check("FeatureExtractor", extractor)
