"""The scripts of ``examples/features`` run, each where its library is installed."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from featx.cache import FeatureStore
from featx.cache.exchange.export import export
from featx.cache.exchange.import_ import import_features
from featx.classifiers.similar import find_similar

SCRIPTS = Path(__file__).parents[2] / "examples" / "features"
# Libraries of others warn of themselves.
pytestmark = pytest.mark.filterwarnings("ignore")
N = 40


@pytest.fixture
def features(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    y = np.arange(N) % 2
    X = rng.normal(4 * y[:, None], 1, (N, 8)).astype(np.float16)
    ids = np.array([f"{i}.png" for i in range(N)])
    np.savez("given.npz", X=X, y=y, sample_ids=ids, class_names=["cat", "dog"])
    store = FeatureStore("cache")
    features = store.open_features(import_features(store, Path("given.npz")).name)
    for ending in ("safetensors", "arrow", "parquet"):
        export(features, Path(f"features.{ending}"))
    return features


def script(name: str) -> ModuleType:
    path = SCRIPTS / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "library", "arguments"),
    [
        ("nearest_faiss", "faiss", ("features.safetensors",)),
        ("nearest_lance", "lance", ("features.arrow", "images.lance")),
        ("nearest_lancedb", "lancedb", ("features.arrow", "folder")),
    ],
)
def test_other_tools_find_the_same_neighbours(features, capsys, name, library, arguments):
    pytest.importorskip(library)
    if name == "nearest_faiss":
        pytest.importorskip("safetensors")
    script(name).main(*arguments)
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    expected = find_similar(features, "0.png", 5)
    assert [sample_id for _, sample_id in lines] == ["0.png", *(n.sample_id for n in expected)]
    cosines = [1.0, *(n.similarity for n in expected)]
    np.testing.assert_allclose([float(cosine) for cosine, _ in lines], cosines, atol=2e-3)


def test_scikit_learn_learns_the_classes(features, capsys):
    pytest.importorskip("safetensors")
    script("classify_sklearn").main("features.safetensors")
    assert capsys.readouterr().out == "2 classes, accuracy 1.0000\n"


def test_embedding_atlas_writes_a_map(features):
    if shutil.which("embedding-atlas") is None:
        pytest.skip("needs embedding-atlas")
    script("map_embedding_atlas").main("features.parquet", "atlas.zip")
    assert Path("atlas.zip").stat().st_size > 0


def test_fiftyone_finds_images_that_are_alike(features, capsys):
    fiftyone = pytest.importorskip("fiftyone")
    try:
        fiftyone.list_datasets()
    except fiftyone.core.config.FiftyOneConfigError as error:
        pytest.skip(f"needs MongoDB: {error}")
    script("explore_fiftyone").main("features.arrow", "photos")
    assert len(capsys.readouterr().out.splitlines()) == 6
