"""Own estimators as heads: fitted, kept without pickle, and refused where types are unknown."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC

import featx
from featx.cache.errors import ConfigError, ModelError, ModelFileError, TrainingDataError
from featx.classifiers.heads.estimator import EstimatorHead, describe_estimator
from featx.classifiers.models import model_file
from tests_shared import Cli

pytest.importorskip("skops")
FOREST = RandomForestClassifier(5, random_state=0)
TREE = "sklearn.tree._tree.Tree"


@pytest.fixture
def X() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)


@pytest.fixture
def y(X: np.ndarray) -> np.ndarray:
    return np.digitize(X[:, 0], [-0.5, 0.5])


class Voting(LogisticRegression):
    """An estimator of somebody's own, which gives no probabilities and no decision values."""

    predict_proba = property()  # type: ignore[assignment]
    decision_function = property()  # type: ignore[assignment]

    def predict(self, X: np.ndarray) -> np.ndarray:
        return (X @ self.coef_.T + self.intercept_).argmax(axis=1)


@pytest.mark.parametrize(
    "estimator",
    [make_pipeline(StandardScaler(), LogisticRegression()), LinearSVC(), FOREST, Voting()],
    ids=["probabilities", "decision values", "forest", "answers"],
)
def test_it_gives_probabilities_and_comes_back_bit_by_bit(
    X: np.ndarray, y: np.ndarray, estimator: object
) -> None:
    head = EstimatorHead(estimator).fit(X, np.array(["a", "b", "c"])[y])
    P = head.predict_proba(X)
    assert P.shape == (60, 3) and np.allclose(P.sum(axis=1), 1, atol=1e-5)
    assert (head.predict(X) == np.array(["a", "b", "c"])[y]).mean() > 0.6
    assert head.predict_proba(X[:0]).shape == (0, 3)
    if not isinstance(estimator, Voting):
        again = EstimatorHead.from_arrays(head.get_json_params(), head.get_arrays(), [TREE])
        assert np.array_equal(again.predict_proba(X), P)
        assert again.get_json_params() == head.get_json_params()
    assert not hasattr(estimator, "classes_")  # the caller's own stays unfitted


def test_weights_reach_the_last_step(X: np.ndarray, y: np.ndarray) -> None:
    weights = np.where(y == 0, 20.0, 1.0)
    nested = Pipeline([("a", StandardScaler()), ("b", make_pipeline(LogisticRegression(C=0.01)))])
    plain, weighted = (EstimatorHead(nested).fit(X, y, w) for w in (None, weights))
    assert weighted.predict_proba(X)[:, 0].mean() > 2 * plain.predict_proba(X)[:, 0].mean()
    with pytest.raises(TrainingDataError, match="KNeighborsClassifier takes no sample weights"):
        EstimatorHead(KNeighborsClassifier()).fit(X, y, weights)


def test_equal_weights_are_left_away_where_there_are_none(X: np.ndarray, y: np.ndarray) -> None:
    neighbours = KNeighborsClassifier(3)
    once = EstimatorHead(neighbours).fit(X, y, np.full(len(y), 0.25))
    np.testing.assert_array_equal(once.predict(X), neighbours.fit(X, y).predict(X))
    with pytest.raises(TrainingDataError, match="takes no sample weights"):
        EstimatorHead(neighbours).fit(X, y, np.linspace(1, 2, len(y)))


@pytest.mark.parametrize("wrong", [LogisticRegression, 3, StandardScaler(), None])
def test_what_is_no_classifier_is_refused(X: np.ndarray, y: np.ndarray, wrong: object) -> None:
    with pytest.raises(ConfigError, match="a classifier of scikit-learn's interface"):
        EstimatorHead(wrong).fit(X, y)


def test_what_cannot_be_kept_without_pickle_is_refused(X: np.ndarray, y: np.ndarray) -> None:
    pipeline = make_pipeline(FunctionTransformer(lambda rows: rows), Perceptron())
    with pytest.raises(ModelError, match="cannot be kept without pickle"):
        EstimatorHead(pipeline).fit(X, y).get_arrays()


def test_types_that_are_not_trusted_are_listed(
    X: np.ndarray, y: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = EstimatorHead(FOREST).fit(X, y)
    assert TREE in head.trust_note()
    arrays = head.get_arrays()
    with pytest.raises(ModelFileError, match=r"not trusted: sklearn\.tree\._tree\.Tree"):
        EstimatorHead.from_arrays({}, arrays)
    with pytest.raises(ModelFileError, match="not trusted"):
        EstimatorHead.from_arrays({}, arrays, ["some.other.Type"])
    monkeypatch.setenv("FEATX_TRUST", f"x.Y,{TREE}")
    assert EstimatorHead.from_arrays({}, arrays).n_features_in_ == 6


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "missing", "wide"])
def test_damaged_bytes_are_refused(X: np.ndarray, y: np.ndarray, damage: str) -> None:
    arrays = EstimatorHead(LogisticRegression()).fit(X, y).get_arrays()
    stored = arrays["estimator"]
    arrays["estimator"] = {
        "cut": stored[:-100],
        "empty": stored[:0],
        "text": np.frombuffer(b"no zip", np.uint8),
        "missing": stored,
        "wide": stored.astype(np.int64),
    }[damage]
    if damage == "missing":
        del arrays["estimator"]
    with pytest.raises(ModelFileError, match="estimator"):
        EstimatorHead.from_arrays({}, arrays)


def test_long_estimators_are_described_in_full() -> None:
    text = describe_estimator(make_pipeline(*(StandardScaler() for _ in range(25)), Perceptron()))
    assert text.count("StandardScaler()") == 25 and "\n" not in text


def test_fitted_saved_scored_and_compared_like_any_head(
    cli: Cli, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("extract", photos, "--backbone", "pixels", "--size", "8").exit_code == 0
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    report = featx.fit(head=pipeline, metric="f1")
    assert report.score == report.scores[-1].metrics["f1"]
    assert "f1 on test" in repr(report) and report._repr_html_().startswith("<table>")
    with zipfile.ZipFile("model.featx") as archive:
        assert not any(b"pickle" in archive.read(name)[:4000] for name in archive.namelist())
    loaded = featx.load_model("model.featx")
    features = featx.open_features()
    assert np.array_equal(loaded.predict_proba(features), report.model.predict_proba(features))
    assert model_file.model_digest(loaded) == model_file.model_digest(report.model)
    result = cli("score", "model.featx", photos, "-o", "p.csv", "--json")
    assert result.exit_code == 0 and json.loads(result.stdout)["n_samples"] == 24
    assert "StandardScaler" in cli("model", "info", "model.featx").stdout
    assert "cannot be exported" in cli("export", "model.featx", "--to", "onnx").stderr
    like = featx.fit(like="model.featx", out="again.featx")
    assert np.array_equal(like.model.predict_proba(features), loaded.predict_proba(features))
    board = featx.sweep(heads=["centroid", pipeline, LogisticRegression(C=9.0)], out="s.featx")
    assert {c.scores.head for c in board.candidates} == {"centroid", "estimator"}
    again = featx.sweep(heads=[pipeline], out="s.featx")
    assert again.candidates[0].is_stored and again.winner.head_name == "estimator"
    with pytest.raises(ConfigError, match="both say"):
        featx.fit(options=featx.HeadOptions("ridge"), head="knn")
    with pytest.raises(ModelError, match="without pickle"):
        featx.fit(head=make_pipeline(FunctionTransformer(lambda rows: rows), Perceptron()), out="x")
    assert not Path("x").exists()
    featx.fit(head=FOREST, out="forest.featx")
    refused = cli("score", "forest.featx", photos, "-o", "f.csv")
    assert refused.exit_code == 1 and f"FEATX_TRUST={TREE}" in refused.stderr
    assert featx.load_model("forest.featx", trusted=[TREE]).head_name == "estimator"
