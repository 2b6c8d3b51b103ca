"""Sweeps: what is measured, what is stored, what is looked at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from selection_shared import make_features, three_classes

from featx.cache import FeatureSet, FeatureStore
from featx.cache.errors import ConfigError, TrainingDataError
from featx.classifiers.heads.closed_form.centroid import CentroidHead
from featx.classifiers.selection.grid import Family
from featx.classifiers.selection.splitting.splits import split_features
from featx.classifiers.selection.sweep import sweep
from featx.classifiers.selection.sweep_options import SweepOptions

SMALL = (
    Family("centroid", ({"metric": "euclidean"}, {"metric": "cosine"})),
    Family("ridge", ({"alpha": 1.0}, {"alpha": 100.0})),
)


class Counting:
    """Counts what a sweep measures; stops it when told to."""

    def __init__(self, stop_after: int = 10**9) -> None:
        self.total, self.seen, self.stop_after = 0, 0, stop_after
        self.said: list[str] = []

    def begin(self, n_candidates: int, task: str) -> None:
        self.total = n_candidates

    def advance(self, n_candidates: int) -> None:
        self.seen += n_candidates
        if self.seen == self.stop_after:
            raise KeyboardInterrupt

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of rows of every fit of the centroid head."""
    rows: list[int] = []
    fit = CentroidHead.fit

    def counted(self: CentroidHead, X: np.ndarray, *rest: object, **options: object) -> object:
        rows.append(len(X))
        return fit(self, X, *rest, **options)

    monkeypatch.setattr(CentroidHead, "fit", counted)
    return rows


def test_the_leaderboard_is_ranked_and_the_winner_is_tested(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    features = [
        three_classes(tmp_path, noise=0.5, backbone="good"),
        three_classes(tmp_path, noise=8.0, backbone="bad"),
    ]
    observer = Counting()
    report = sweep(features, SweepOptions(families=SMALL), store, observer)
    values = [c.value("accuracy") for c in report.candidates]
    assert values == sorted(values, reverse=True) and len(values) == 8
    assert observer.total == observer.seen == 8
    assert report.candidates[0].backbone == report.winner.spec.backbone == "good"
    assert report.test is not None and report.test.metrics["accuracy"] > 0.9
    assert {s["split"] for s in report.winner.scores} == {"val", "test"}


def test_a_repeated_sweep_fits_nothing_and_an_extended_one_only_what_is_new(
    tmp_path: Path, fits: list[int]
) -> None:
    store = FeatureStore(tmp_path)
    features = three_classes(tmp_path)
    ridge = SweepOptions(families=SMALL[1:])
    first = sweep([features], ridge, store)
    extended = sweep([features], SweepOptions(families=SMALL), store)
    assert [c.is_stored for c in extended.candidates].count(True) == 2
    assert len(fits) == 2
    again = sweep([features], SweepOptions(families=SMALL), store)
    assert all(c.is_stored for c in again.candidates)
    assert [c.scores for c in again.candidates] == [c.scores for c in extended.candidates]
    assert first.test is not None


def test_results_that_cannot_be_kept_are_reported(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    features = three_classes(tmp_path)
    (tmp_path / "results").write_text("a file where the folder of results would be")
    report = sweep([features], SweepOptions(families=SMALL), store)
    assert "results" in report.not_kept and "directory" in report.not_kept
    (tmp_path / "results").unlink()
    assert sweep([features], SweepOptions(families=SMALL), store).not_kept == ""


def test_the_stored_winner_is_the_measured_one(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    features = three_classes(tmp_path, noise=2.0)
    one = sweep([features], SweepOptions(families=SMALL), store)
    two = sweep([features], SweepOptions(families=SMALL), store)
    X = np.asarray(features.X)
    assert np.array_equal(one.winner.predict_proba(X), two.winner.predict_proba(X))
    assert one.test.metrics == two.test.metrics


def test_an_interrupted_sweep_keeps_what_is_done(tmp_path: Path, fits: list[int]) -> None:
    store = FeatureStore(tmp_path)
    features = three_classes(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        sweep([features], SweepOptions(families=SMALL), store, Counting(stop_after=1))
    report = sweep([features], SweepOptions(families=SMALL), store)
    assert sum(c.is_stored for c in report.candidates) >= 1


def test_other_data_seed_or_folds_are_other_results(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    features = three_classes(tmp_path)
    sweep([features], SweepOptions(families=SMALL), store)
    for options in (
        SweepOptions(families=SMALL, random_state=1),
        SweepOptions(families=SMALL, cv=3),
    ):
        assert not any(c.is_stored for c in sweep([features], options, store).candidates)
    other = three_classes(tmp_path, n=201)
    report = sweep([other], SweepOptions(families=SMALL), store)
    assert not any(c.is_stored for c in report.candidates)


def test_cross_validation_gives_the_mean_and_its_interval(tmp_path: Path, fits: list[int]) -> None:
    store = FeatureStore(tmp_path)
    features = three_classes(tmp_path, noise=3.0)
    report = sweep([features], SweepOptions(families=SMALL[:1], cv=4), store)
    n_rows = len(split_features(features).train) + len(split_features(features).val)
    assert len([n for n in fits if n < n_rows]) == 8
    scores = report.candidates[0].scores
    low, high = scores.intervals["accuracy"]
    assert scores.split == "cv4" and low < scores.metrics["accuracy"] < high
    assert scores.n_samples == n_rows
    assert fits[-1] == n_rows


def test_labels_that_mean_nothing_give_chance(tmp_path: Path) -> None:
    """No leak: with shuffled labels every head is as good as a coin."""
    store = FeatureStore(tmp_path)
    features = three_classes(tmp_path, n=600)
    features.y = np.random.default_rng(1).permutation(features.y)
    report = sweep([features], SweepOptions(families=SMALL, cv=5), store)
    assert all(0.25 < c.value("accuracy") < 0.42 for c in report.candidates)


@pytest.mark.parametrize("options", [{"metric": "acuracy"}, {"cv": 1}])
def test_wrong_options(options: dict) -> None:
    with pytest.raises(ConfigError):
        SweepOptions(**options)


def test_a_metric_that_is_undefined_on_the_judging_rows_is_not_ranked_by(tmp_path: Path) -> None:
    """A class of one image has none in validation: the AUC would rank nothing."""
    store = FeatureStore(tmp_path)
    rng = np.random.default_rng(0)
    y = np.array([0] * 150 + [1] * 150 + [2])
    X = rng.normal(size=(301, 32))
    X[np.arange(301), np.where(y == 1, 0, 1)] += 4 * (rng.integers(0, 2, 301) * 2 - 1)
    features = make_features(tmp_path, y, X=X)
    families = (Family("centroid", ({},)), Family("knn", ({"n_neighbors": 5},)))
    observer = Counting()
    report = sweep([features], SweepOptions(families, "auc"), store, observer)
    assert report.metric.name == "accuracy" and report.winner.head_name == "knn"
    assert any(
        "AUC is undefined on the rows that judge (no row of 'c')" in s for s in observer.said
    )
    assert [c.value("auc") for c in report.candidates] == [None, None]
    assert report.candidates[0].scores.undefined["auc"] == "no row of 'c'"


def test_a_metric_of_which_less_is_better_ranks_the_least_first(tmp_path: Path) -> None:
    features = three_classes(tmp_path, noise=3.0)
    report = sweep([features], SweepOptions(SMALL, "log_loss"), FeatureStore(tmp_path))
    losses = [c.value("log_loss") for c in report.candidates]
    assert losses == sorted(losses) and losses[0] < losses[-1]
    assert report.winner.scores[0]["metrics"]["log_loss"] == losses[0]


def test_uneven_classes_are_ranked_by_balanced_accuracy(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    features = make_features(tmp_path, [0] * 200 + [1] * 40, noise=2.0)
    report = sweep([features], SweepOptions(SMALL), store)
    assert report.metric.name == "balanced_accuracy"
    assert any("Ranked by balanced accuracy: 'a' has" in note for note in report.notes)
    asked = sweep([features], SweepOptions(SMALL, "accuracy"), store)
    assert asked.metric.name == "accuracy"
    assert report.baseline.metrics["accuracy"] > 0.7
    assert report.baseline.metrics["balanced_accuracy"] == 0.5
    even = sweep([three_classes(tmp_path / "even")], SweepOptions(SMALL), store)
    assert even.metric.name == "accuracy"


def test_a_configuration_that_cannot_be_fitted_is_left_out_and_named(tmp_path: Path) -> None:
    store, observer = FeatureStore(tmp_path), Counting()
    bad = Family("logreg", ({"class_weight": {9: 2.0}}, {"C": 0.1}))
    report = sweep([three_classes(tmp_path)], SweepOptions((*SMALL, bad)), store, observer)
    assert len(report.candidates) == 5 and observer.seen == observer.total == 6
    (failure,) = report.failures
    assert failure.configuration == "logreg class_weight=9:2" and "[9]" in failure.reason
    alone = SweepOptions((Family("logreg", bad.params[:1]),))
    with pytest.raises(TrainingDataError, match="not one of 1 configurations could be fitted"):
        sweep([three_classes(tmp_path)], alone, store)


def test_a_head_that_did_not_converge_says_so_stored_or_not(tmp_path: Path) -> None:
    store, features = FeatureStore(tmp_path), three_classes(tmp_path, noise=3.0)
    options = SweepOptions((Family("logreg", ({"C": 1.0, "max_iter": 1},)),))
    for is_stored in (False, True):
        (candidate,) = sweep([features], options, store).candidates
        assert candidate.is_stored == is_stored
        assert "max_iter=1" in candidate.measured.convergence_note
        assert candidate.measured.to_dict()["converged"] is False


def test_other_rows_are_other_results(tmp_path: Path) -> None:
    """Near duplicates that are left out change what is learned from."""
    store = FeatureStore(tmp_path)
    X = np.random.default_rng(0).normal(size=(200, 32))
    X[190:] = X[:10]
    given = [0] * 120 + [1] * 40 + [2] * 40
    features = make_features(tmp_path, np.arange(200) % 3, given, X=X)
    sweep([features], SweepOptions(SMALL), store)
    report = sweep([features], SweepOptions(SMALL, drop_near_duplicates=True), store)
    assert not any(c.is_stored for c in report.candidates)
    assert report.winner.split["train"] == 110


def uneven(root: Path) -> FeatureSet:
    return make_features(root, [0] * 200 + [1] * 30, noise=3.0)


@pytest.mark.parametrize("cv", [0, 3])
def test_the_recall_of_a_class_ranks(tmp_path: Path, cv: int) -> None:
    store, options = FeatureStore(tmp_path), SweepOptions(SMALL, "recall:b", cv)
    first = sweep([uneven(tmp_path)], options, store)
    values = [c.value("recall:b") for c in first.candidates]
    assert values == sorted(values, reverse=True) and values[0] > values[-1]
    best = first.candidates[0].scores
    assert best.rarest and best.rarest.name == "b"
    assert values[0] == pytest.approx(best.rarest.recall)
    assert "recall:b" in first.test.metrics and first.baseline.metrics["recall:b"] == 0
    again = sweep([uneven(tmp_path)], options, store)
    assert all(c.is_stored for c in again.candidates)
    assert [c.value("recall:b") for c in again.candidates] == values


def test_costs_rank_anew_when_the_file_changes(tmp_path: Path) -> None:
    store, path = FeatureStore(tmp_path), tmp_path / "costs.csv"
    options = {}
    for miss, alarm in ((50, 1), (1, 50)):
        path.write_text(f",a,b\na,0,{alarm}\nb,{miss},0\n")
        report = sweep([uneven(tmp_path)], SweepOptions(SMALL, f"cost:{path}"), store)
        values = [c.value(f"cost:{path}") for c in report.candidates]
        assert values == sorted(values)
        options[miss] = report.candidates[0].params, values[0]
    assert options[50] != options[1]


def test_a_class_that_is_unknown_is_refused_before_anything_is_fitted(
    tmp_path: Path, fits: list[int]
) -> None:
    with pytest.raises(ConfigError, match="names 'z', which is no class here"):
        sweep([uneven(tmp_path)], SweepOptions(SMALL, "recall:z"), FeatureStore(tmp_path))
    assert not fits


def test_sets_with_other_rows_or_classes_are_not_ranked_together(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    full = three_classes(tmp_path, 200)
    fewer, two = three_classes(tmp_path, 150, backbone="c"), uneven(tmp_path / "two")
    with pytest.raises(ConfigError, match="judged by other rows"):
        sweep([full, fewer], SweepOptions(SMALL), store)
    with pytest.raises(ConfigError, match="have other classes"):
        sweep([full, two], SweepOptions(SMALL), store)
