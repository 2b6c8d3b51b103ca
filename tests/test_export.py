"""Exported models: they agree with featx, carry their labels, and run without it."""

from __future__ import annotations

import ast
import json
import runpy
import sys
import warnings
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from conftest import make_photos

import featx
from featx.cache.errors import ConfigError, ModelError
from featx.classifiers.heads.registry import make_head
from featx.classifiers.models.export import FORMATS
from featx.classifiers.models.export import write as write_module
from featx.classifiers.models.export.head_graph import probabilities_of
from featx.extractor.plan import make_plan
from tests_shared import Cli

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SPEC = featx.FeatureSpec(
    backbone="b",
    weights_digest="0" * 64,
    layer="l",
    pool="avg",
    image_size=(8, 8),
    resize="squash",
    preprocess="tf",
)
OPTIONS = featx.FeatureOptions(
    backbone="mobilenet", weights="random:0", image_size=32, precision="float32"
)
HEADS = {
    "logreg": {},
    "linear-svm": {},
    "ridge": {},
    "lda": {},
    "svm": {},
    "dense": {"epochs": 3},
    "centroid": {"metric": "cosine"},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, their features, and a model."""
    folder = tmp_path_factory.mktemp("export")
    make_photos(folder / "photos")
    featx.extract(folder / "photos", OPTIONS, cache=folder / "cache")
    options = featx.HeadOptions("ridge")
    featx.fit(options=options, cache=folder / "cache", out=folder / "model.featx")
    return folder


def model_with(made: Path, name: str) -> featx.Model:
    features = featx.open_features(cache=made / "cache")
    head = make_head(name).fit(np.asarray(features.X), features.y)
    return featx.Model(features.spec, features.class_names, name, head)


def needs(to: str) -> None:
    missing = [module for module in FORMATS[to].modules if find_spec(module) is None]
    if missing:
        pytest.skip(f"needs {missing}")


@pytest.mark.parametrize("to", FORMATS)
def test_each_format_is_checked_and_its_example_runs(
    made: Path,
    to: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    needs(to)
    out = made / "out" / f"model{FORMATS[to].ending}"
    report = featx.export(made / "model.featx", to, out, weights="random:0")
    assert report.difference <= 1e-4 and report.n_bytes > 1e6
    assert not list(out.parent.glob(".*"))
    assert capfd.readouterr() == ("", "")
    photos = [str(made / "photos" / name) for name in ("blue/00.png", "red/01.jpg")]
    monkeypatch.setattr(sys, "argv", ["run", str(out), *photos])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow announces where its Lite interpreter moves to
        runpy.run_path(str(EXAMPLES / f"run_{to}.py"), run_name="__main__")
    lines = [line.split("\t") for line in capfd.readouterr().out.splitlines()]
    assert [path for path, _, _ in lines] == photos
    score = featx.ScoreOptions(weights="random:0")
    cache = made / "cache"
    featx.score(made / "model.featx", made / "photos", made / "p.jsonl", score, cache=cache)
    rows = map(json.loads, (made / "p.jsonl").read_text(encoding="utf-8").splitlines())
    known = {row["id"]: row for row in rows}
    for (_, label, probability), name in zip(lines, ("blue/00.png", "red/01.jpg"), strict=True):
        assert label == known[name]["predicted"]
        assert float(probability) == pytest.approx(known[name]["probability"], abs=1e-4)


@pytest.mark.parametrize("to", FORMATS)
def test_an_example_knows_nothing_of_featx(to: str) -> None:
    tree = ast.parse((EXAMPLES / f"run_{to}.py").read_text(encoding="utf-8"))
    names = {alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
    names |= {str(n.module) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert names and not any(name.startswith("featx") for name in names)


def graph_of(model: featx.Model, X: np.ndarray) -> np.ndarray:
    """Run the head's graph alone on features."""
    import keras

    features = keras.Input((X.shape[1],))
    graph = keras.Model(features, probabilities_of(features, model))
    return np.asarray(graph(X))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", HEADS)
def test_every_head_that_can_becomes_a_graph(name: str, n_classes: int) -> None:
    rng = np.random.default_rng(3)
    y = np.arange(120) % n_classes
    X = (rng.normal(size=(120, 9)) * np.logspace(-3, 1, 9) + 5 + y[:, None]).astype(np.float32)
    head = make_head(name, **HEADS[name]).fit(X, y)
    model = featx.Model(SPEC, ("ä", "b", "c")[:n_classes], name, head)
    np.testing.assert_allclose(graph_of(model, X), model.predict_proba(X), atol=1e-5)


def test_classes_that_the_head_never_saw_get_probability_0() -> None:
    X = np.random.default_rng(3).normal(size=(20, 4)).astype(np.float32)
    head = make_head("centroid").fit(X, np.arange(20) % 2 * 2)
    model = featx.Model(SPEC, ("a", "never", "c"), "centroid", head)
    found = graph_of(model, X)
    np.testing.assert_allclose(found, model.predict_proba(X), atol=1e-6)
    assert not found[:, 1].any()


def test_neighbours_cannot_be_a_graph_and_say_so(made: Path) -> None:
    model = model_with(made, "knn")
    with pytest.raises(ConfigError, match="search among the training rows"):
        featx.export(model, "keras", made / "k.keras", weights="random:0")
    assert not list(made.glob("k.keras*"))


def test_a_graph_that_disagrees_is_not_left_behind(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_module.run_rows
    monkeypatch.setattr(write_module, "run_rows", lambda *words: (run(*words)[0] + 0.5,))
    model = model_with(made, "ridge")
    with pytest.raises(ModelError, match="differs from featx score"):
        featx.export(model, "keras", made / "d.keras", weights="random:0")
    assert not list(made.glob("*d.keras*"))


def test_a_model_of_fast_features_says_how_far_its_graph_is(made: Path) -> None:
    model = model_with(made, "ridge")
    fast = replace(model, spec=replace(model.spec, precision="bfloat16"))
    report = featx.export(fast, "keras", made / "f.keras", weights="random:0")
    assert report.difference <= 1e-4 and report.precision == "bfloat16"
    assert report.drift is not None and report.drift >= 0


def test_wrong_requests_are_explained(cli: Cli, made: Path) -> None:
    model = made / "model.featx"
    for words, hint in (
        (("--to", "onxx"), "onnx"),
        (("--to", "keras", "-o", "x.h5", "--weights", "random:0"), "ends in .keras"),
        (("--to", "keras", "--weights", "random:1"), "weights_digest"),
    ):
        result = cli("export", model, *words)
        assert result.exit_code == 1 and hint in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
    assert make_plan(OPTIONS).spec == featx.load_model(model).spec


def test_openvino_gives_one_output_of_a_network_with_swish(tmp_path: Path) -> None:
    # TensorFlow keeps each swish's input for its gradient; the converter makes outputs of them.
    openvino = pytest.importorskip("openvino")
    keras = pytest.importorskip("keras")
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3), dtype="uint8"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(4, 3, activation="swish"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="swish"),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    file = tmp_path / "model.xml"
    FORMATS["openvino"].write(model, file, json.dumps({"labels": ["a", "b"]}))
    graph = openvino.Core().read_model(str(file))
    assert len(graph.outputs) == 1
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    expected = np.asarray(model.predict_on_batch(images))
    np.testing.assert_allclose(FORMATS["openvino"].run(file, images), expected, atol=1e-5)
