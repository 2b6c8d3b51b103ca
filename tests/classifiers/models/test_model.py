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


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photographs, their features and a model."""
    folder = tmp_path_factory.mktemp("made")
    colours = {"blue": (40, 60, 200), "green": (40, 180, 60), "red": (200, 50, 40)}
    rng = np.random.default_rng(0)
    for name, colour in colours.items():
        (folder / "photos" / name).mkdir(parents=True)
        for i in range(8):
            pixels = rng.normal(colour, 25, (40, 48, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{i:02d}.png")
    featx.extract(folder / "photos", OPTIONS, cache=folder / "featx-cache")
    featx.fit(head="ridge", cache=folder / "featx-cache", out=folder / "model.featx")
    return folder


@pytest.fixture
def photos(made: Path) -> Path:
    return made / "photos"


@pytest.fixture
def model(made: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.chdir(made)
    return featx.load_model("model.featx")


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


def test_prediction_writes_no_cache(model: Model, made: Path) -> None:
    before = sorted(made.rglob("*"))
    model.predict([made / "photos" / "red" / "00.png"])
    assert sorted(made.rglob("*")) == before


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
    other = featx.FeatureOptions(backbone="pixels", image_size=8)
    featx.extract(photos, other, cache=photos.parent / "other")
    with pytest.raises(FeatureMismatchError, match="image_size"):
        model.predict(featx.open_features(cache=photos.parent / "other"))


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
