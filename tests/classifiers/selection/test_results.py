"""Results of sweeps as they are kept in the cache."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import pytest
from selection_shared import three_classes

from featx.cache import FeatureStore, Scores
from featx.classifiers.heads.registry import HEADS
from featx.classifiers.selection.grid import Family
from featx.classifiers.selection.results import Measured, ResultStore, mean_over_folds
from featx.classifiers.selection.sweep import sweep
from featx.classifiers.selection.sweep_options import SweepOptions

SMALL = (Family("centroid", ({"metric": "euclidean"}, {"metric": "cosine"})),)
LATER_FIELDS = ("undefined",)
LATER_METRICS = ("balanced_accuracy", "log_loss", "top5")


def make_old(root: Path) -> int:
    """Turn all results into those of the first version, which knew three metrics."""
    paths = list(root.glob("sweeps/*/*.json"))
    for path in paths:
        stored = json.loads(path.read_text())
        del stored["convergence_note"]
        for name in LATER_FIELDS:
            del stored["scores"][name]
        for name in LATER_METRICS:
            stored["scores"]["metrics"].pop(name, None)
        path.write_text(json.dumps(stored))
    return len(paths)


def test_results_of_the_first_version_still_read(tmp_path: Path) -> None:
    store, features = FeatureStore(tmp_path), three_classes(tmp_path)
    new = sweep([features], SweepOptions(SMALL), store)
    assert make_old(tmp_path) == 2
    old = sweep([features], SweepOptions(SMALL), store)
    assert all(c.is_stored for c in old.candidates)
    for one, other in zip(old.candidates, new.candidates, strict=True):
        assert one.value("accuracy") == other.value("accuracy")
        assert one.value("log_loss") is None


def test_a_metric_that_an_old_result_lacks_is_measured(tmp_path: Path) -> None:
    store, features = FeatureStore(tmp_path), three_classes(tmp_path)
    sweep([features], SweepOptions(SMALL), store)
    make_old(tmp_path)
    report = sweep([features], SweepOptions(SMALL, "log_loss"), store)
    assert not any(c.is_stored for c in report.candidates)
    assert report.candidates[0].value("log_loss") is not None


def test_only_heads_whose_results_changed_have_other_keys(tmp_path: Path) -> None:
    features, scheme = three_classes(tmp_path), {"cv": 0, "random_state": 0}
    store = FeatureStore(tmp_path)
    for head, record in HEADS.items():
        first = {
            "data": features.manifest.data_digest,
            "features": features.spec.fingerprint,
            "rows": 200,
            "head": head,
            "params": {"C": 1.0},
            "scheme": scheme,
            "featx": version("featx"),
        }
        digest = hashlib.sha256(json.dumps(first, sort_keys=True).encode()).hexdigest()
        path = store.root / "sweeps" / features.name / f"{head}-{digest[:24]}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        result = Measured(scores_of(accuracy=0.5), 1, 1.0)
        path.write_text(json.dumps(result.to_dict(), default=str))
        found = ResultStore(store, features, scheme).get(head, {"C": 1.0})
        assert found == (result if record.revision == 1 else None)


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
