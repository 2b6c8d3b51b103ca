"""Results of sweeps as they are kept in the cache."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import pytest
from selection_shared import three_classes

from featx.cache import FeatureStore, ResultStore, Scores
from featx.classifiers.heads.registry import HEADS
from featx.classifiers.selection.fit import HeadOptions, fit
from featx.classifiers.selection.grid import Family
from featx.classifiers.selection.metrics import measure
from featx.classifiers.selection.results import (
    FeatureResults,
    Measured,
    keep_fit,
    mean_over_folds,
)
from featx.classifiers.selection.splitting.splits import split_features
from featx.classifiers.selection.sweep import sweep
from featx.classifiers.selection.sweep_options import SweepOptions

SCHEME = {"cv": 0, "random_state": 0}
SMALL = (Family("centroid", ({"metric": "euclidean"}, {"metric": "cosine"})),)


def test_a_later_metric_is_measured_on_the_predictions_that_are_kept(tmp_path: Path) -> None:
    store, features = FeatureStore(tmp_path), three_classes(tmp_path)
    new = sweep([features], SweepOptions(SMALL, "log_loss"), store)
    for path in store.root.glob("results/*/*.json"):
        stored = json.loads(path.read_text())
        for name in ("log_loss", "brier", "mcc"):
            del stored["scores"]["val"]["metrics"][name]
        path.write_text(json.dumps(stored))
    again = sweep([features], SweepOptions(SMALL, "log_loss"), store)
    assert all(c.is_stored for c in again.candidates)
    for one, other in zip(again.candidates, new.candidates, strict=True):
        assert one.scores.metrics == pytest.approx(other.scores.metrics, rel=1e-6)


def test_results_on_the_splits_of_earlier_versions_are_not_read(tmp_path: Path) -> None:
    features = three_classes(tmp_path)
    store = FeatureStore(tmp_path)
    for head in HEADS:
        first = {
            "data": features.manifest.data_digest,
            "features": features.spec.fingerprint,
            "rows": 200,
            "head": head,
            "params": {},
            "scheme": SCHEME,
            "featx": version("featx"),
        }
        digest = hashlib.sha256(json.dumps(first, sort_keys=True).encode()).hexdigest()
        path = store.root / "sweeps" / features.name / f"{head}-{digest[:24]}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        result = Measured(scores_of(accuracy=0.5), 1, 1.0)
        path.write_text(json.dumps(result.to_dict(), default=str))
        results = FeatureResults(store, features, split_features(features), SCHEME)
        assert results.get(head, {}) is None


def test_other_splits_are_other_results(tmp_path: Path) -> None:
    store, features = FeatureStore(tmp_path), three_classes(tmp_path)
    for seed, is_stored in ((0, False), (1, False), (0, True)):
        report = sweep([features], SweepOptions(SMALL, split_seed=seed), store)
        assert {c.is_stored for c in report.candidates} == {is_stored}


def test_a_sweep_keeps_the_predictions_that_it_measured(tmp_path: Path) -> None:
    store, features = FeatureStore(tmp_path), three_classes(tmp_path)
    report = sweep([features], SweepOptions(SMALL), store)
    results = ResultStore(store.layout)
    kept = {r.params["metric"]: r for r in results.read(features.manifest.name)}
    assert {r.kind for r in kept.values()} == {"sweep"} and len(kept) == 2
    for candidate in report.candidates:
        result = kept[candidate.params["metric"]]
        predictions = results.predictions(result, "val")
        assert predictions is not None
        rows = predictions.rows
        measures = measure(rows.y, predictions.probabilities, rows.class_names)
        assert measures.metrics == candidate.scores.metrics
        assert result.n_parameters > 0 and result.multiply_adds == 3 * 32
    winner, loser = (kept[c.params["metric"]] for c in report.candidates)
    assert set(winner.rows) == {"val", "test"}
    assert winner.scores["test"].metrics == report.test.metrics
    assert set(loser.rows) == {"val"}, "only the winner looks at test"


def test_a_fit_is_the_result_that_a_sweep_has_kept(tmp_path: Path) -> None:
    store, features = FeatureStore(tmp_path), three_classes(tmp_path)
    sweep([features], SweepOptions(SMALL), store)
    for options in (
        HeadOptions("centroid", {"metric": "cosine"}),
        HeadOptions("centroid", {"metric": "cosine"}, 1),
    ):
        report = fit(features, options)
        keep_fit(store, features, report, "fit")
    ids = [r.id for r in ResultStore(store.layout).read()]
    assert len(ids) == len(set(ids)) == 3, "one of the sweep's and one of another split"


def test_folds_keep_the_predictions_of_all_rows_that_they_held_out(tmp_path: Path) -> None:
    store, features = FeatureStore(tmp_path), three_classes(tmp_path)
    report = sweep([features], SweepOptions(SMALL[:1], cv=3), store)
    results = ResultStore(store.layout)
    best = report.candidates[0].params["metric"]
    (result,) = (r for r in results.read() if r.params["metric"] == best)
    predictions = results.predictions(result, "cv3")
    split = split_features(features).merged()
    ids = [features.sample_ids[int(row)] for row in split.train]
    assert list(predictions.rows.sample_ids) == ids
    accuracy = (predictions.probabilities.argmax(axis=1) == features.y[split.train]).mean()
    assert accuracy == pytest.approx(report.candidates[0].value("accuracy"), abs=0.01)
    again = sweep([features], SweepOptions(SMALL[:1], cv=3), store)
    assert all(c.is_stored for c in again.candidates)


def scores_of(**metrics: float) -> Scores:
    return Scores("svm", "val", {"C": 1.0}, 10, metrics, {}, 1.0)


def test_the_mean_over_folds_has_the_metrics_of_all_folds() -> None:
    folds = [
        Measured(scores_of(accuracy=0.5, auc=0.7), 10, 5.0),
        Measured(
            Scores("svm", "val", {"C": 1.0}, 10, {"accuracy": 0.7}, undefined={"auc": "no row"}),
            20,
            7.0,
            "did not converge",
        ),
    ]
    mean = mean_over_folds(folds)
    assert mean.scores.metrics == {"accuracy": pytest.approx(0.6)}
    assert mean.scores.undefined == {"auc": "no row"}
    assert (mean.model_bytes, mean.predict_rate) == (20, 6.0)
    assert mean.convergence_note == "did not converge"
    assert mean.scores.split == "cv2" and mean.scores.n_samples == 20
    assert mean_over_folds(folds[:1]) is folds[0]
