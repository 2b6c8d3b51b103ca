"""Model: predictions of paths, images, features and FeatureSets alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import featx
from featx.cache.errors import FeatureMismatchError, ImageError, SourceFormatError
from featx.classifiers import Model

OPTIONS = featx.FeatureOptions(backbone="pixels", image_size=16)


@pytest.fixture
def model(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.chdir(tmp_path)
    featx.extract(photos, OPTIONS)
    return featx.fit(options=featx.HeadOptions("ridge")).model


def test_paths_images_features_and_sets_give_the_same(model: Model, photos: Path) -> None:
    features = featx.open_features()
    expected = model.predict_proba(features.to_numpy())
    paths = [photos / name for name in features.sample_ids]
    assert np.allclose(model.predict_proba(paths), expected, atol=1e-6)
    assert np.allclose(model.predict_proba([str(p) for p in paths]), expected, atol=1e-6)
    assert np.array_equal(model.predict_proba(features), expected)
    assert np.array_equal(model.predict_proba(features.X), expected)
    assert np.allclose(model.predict_proba(features.X[:].tolist()), expected, atol=1e-5)
    images = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])
    assert np.allclose(model.predict_proba(images), expected, atol=1e-6)
    mixed = [images[0], images[1][:20], images[2, :, :, 0]]
    assert model.predict_proba(mixed).shape == (3, 3)
    names = model.predict(paths)
    assert names.shape == (24,) and set(names) <= {"blue", "green", "red"}
    assert np.array_equal(names, np.array(model.class_names)[expected.argmax(axis=1)])
    assert (names == [path.parent.name for path in paths]).mean() > 0.9


def test_prediction_writes_no_cache(model: Model, photos: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    model.predict([photos / "red" / "00.png"])
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("X", "error", "hint"),
    [
        (np.zeros((2, 5), np.float32), FeatureMismatchError, "768 features a row"),
        (np.zeros((4, 4, 3), np.float32), FeatureMismatchError, r"\(4, 4, 3\)"),
        (np.zeros((8, 8), np.uint8), SourceFormatError, "an image is a path or a uint8 array"),
        ("photos/red/00.png", SourceFormatError, r"for one image use \[image\]"),
        ([], SourceFormatError, "0 samples"),
        ([object()], SourceFormatError, "an image is a path"),
        (["photos/absent.png"], ImageError, r"absent\.png"),
    ],
)
def test_what_is_neither_images_nor_features_is_named(
    model: Model, X: object, error: type[Exception], hint: str
) -> None:
    with pytest.raises(error, match=hint):
        model.predict_proba(X)


def test_features_of_another_making_are_refused(model: Model, photos: Path) -> None:
    featx.extract(photos, featx.FeatureOptions(backbone="pixels", image_size=8))
    with pytest.raises(FeatureMismatchError, match="image_size"):
        model.predict(featx.open_features())


def test_frames_of_set_output_are_features(model: Model) -> None:
    pytest.importorskip("pandas")
    features = featx.open_features()
    frame = features.to_pandas().filter(regex="^x")
    assert np.array_equal(model.predict(frame), model.predict(features))


def test_it_is_saved_and_shows_what_it_is(model: Model, tmp_path: Path) -> None:
    featx.save(model, str(tmp_path / "other.featx"))
    again = featx.load_model(tmp_path / "other.featx")
    text = repr(again)
    for fact in ("Model ridge, 3 classes", "blue, green, red", "pixels", "on val", "accuracy"):
        assert fact in text
    assert again._repr_html_().startswith("<table>")
