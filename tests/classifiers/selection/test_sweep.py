"""Sweeps: what is measured, what is stored, what is looked at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from featx.cache import FeatureBatch, FeatureSet, FeatureSpec, FeatureStore, StringColumn
from featx.cache.errors import ConfigError, TrainingDataError, UnknownHeadError
from featx.cache.manifest import Listing, Manifest
from featx.classifiers.heads.closed_form.centroid import CentroidHead
from featx.classifiers.heads.registry import HEADS
from featx.classifiers.selection.folds import FoldData, make_folds, measure_family
from featx.classifiers.selection.grid import Family, default_families, read_grid
from featx.classifiers.selection.splits import split_features
from featx.classifiers.selection.sweep import Candidate, SweepOptions, sweep

SMALL = (
    Family("centroid", ({"metric": "euclidean"}, {"metric": "cosine"})),
    Family("ridge", ({"alpha": 1.0}, {"alpha": 100.0})),
)


def blobs(store: FeatureStore, backbone: str = "b", noise: float = 1.0, n: int = 200) -> FeatureSet:
    """Three classes of Gaussian features in ``store``."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    X = (rng.normal(size=(n, 8)) * noise + np.eye(8)[y] * 3).astype(np.float32)
    digests = rng.integers(1, 256, (n, 32), dtype=np.uint8)
    spec = FeatureSpec(
        backbone=backbone,
        weights_digest="0" * 64,
        layer="l",
        pool="avg",
        image_size=(8, 8),
        resize="squash",
        preprocess="tf",
    )
    listing = Listing(
        StringColumn.from_strings(map(str, range(n))),
        y.astype(np.int64),
        np.full(n, -1, np.int8),
        None,
        ("a", "b", "c"),
    )
    manifest = Manifest("m", "here", listing, digests, np.zeros((n, 3), np.int64), 0)
    store.write_rows(spec, [FeatureBatch(digests, X)])
    return FeatureSet(manifest, store.open_set(spec))


class Counting:
    """Counts what a sweep measures; stops it when told to."""

    def __init__(self, stop_after: int = 10**9) -> None:
        self.total, self.seen, self.stop_after = 0, [], stop_after

    def begin(self, n_candidates: int) -> None:
        self.total = n_candidates

    def advance(self, candidate: Candidate) -> None:
        self.seen.append(candidate)
        if len(self.seen) == self.stop_after:
            raise KeyboardInterrupt


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
    features = [blobs(store, "good", 0.5), blobs(store, "bad", 8.0)]
    observer = Counting()
    report = sweep(features, SweepOptions(families=SMALL), store, observer)
    values = [c.value("accuracy") for c in report.candidates]
    assert values == sorted(values, reverse=True) and len(values) == 8
    assert observer.total == len(observer.seen) == 8
    assert report.candidates[0].backbone == report.winner.spec.backbone == "good"
    assert report.test is not None and report.test.metrics["accuracy"] > 0.9
    assert {s["split"] for s in report.winner.scores} == {"val", "test"}


def test_a_repeated_sweep_fits_nothing_and_an_extended_one_only_what_is_new(
    tmp_path: Path, fits: list[int]
) -> None:
    store = FeatureStore(tmp_path)
    features = blobs(store)
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
    features = blobs(store)
    (tmp_path / "sweeps").write_text("a file where the folder of results would be")
    report = sweep([features], SweepOptions(families=SMALL), store)
    assert "sweeps" in report.not_kept and "directory" in report.not_kept
    (tmp_path / "sweeps").unlink()
    assert sweep([features], SweepOptions(families=SMALL), store).not_kept == ""


def test_the_stored_winner_is_the_measured_one(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    features = blobs(store, noise=2.0)
    one = sweep([features], SweepOptions(families=SMALL), store)
    two = sweep([features], SweepOptions(families=SMALL), store)
    X = np.asarray(features.X)
    assert np.array_equal(one.winner.predict_proba(X), two.winner.predict_proba(X))
    assert one.test.metrics == two.test.metrics


def test_an_interrupted_sweep_keeps_what_is_done(tmp_path: Path, fits: list[int]) -> None:
    store = FeatureStore(tmp_path)
    features = blobs(store)
    with pytest.raises(KeyboardInterrupt):
        sweep([features], SweepOptions(families=SMALL), store, Counting(stop_after=1))
    report = sweep([features], SweepOptions(families=SMALL), store)
    assert sum(c.is_stored for c in report.candidates) >= 1


def test_other_data_seed_or_folds_are_other_results(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    features = blobs(store)
    sweep([features], SweepOptions(families=SMALL), store)
    for options in (
        SweepOptions(families=SMALL, random_state=1),
        SweepOptions(families=SMALL, cv=3),
    ):
        assert not any(c.is_stored for c in sweep([features], options, store).candidates)
    other = blobs(store, n=201)
    report = sweep([other], SweepOptions(families=SMALL), store)
    assert not any(c.is_stored for c in report.candidates)


def test_folds_cover_train_and_validation_and_never_test(tmp_path: Path) -> None:
    features = blobs(FeatureStore(tmp_path))
    split = split_features(features)
    folds = make_folds(features, split, 4, 0)
    held_out = np.concatenate([fold.held_out for fold in folds])
    assert sorted(held_out) == sorted([*split.train, *split.val])
    for fold in folds:
        assert not set(fold.train) & set(fold.held_out)
        assert not (set(fold.train) | set(fold.held_out)) & set(split.test)
        assert np.ptp(np.bincount(features.y[fold.held_out])) <= 2


def test_folds_need_enough_samples_of_every_class(tmp_path: Path) -> None:
    features = blobs(FeatureStore(tmp_path), n=9)
    with pytest.raises(TrainingDataError, match="--cv 5 needs 5 samples"):
        make_folds(features, split_features(features), 5, 0)


def test_cross_validation_gives_the_mean_and_its_interval(tmp_path: Path, fits: list[int]) -> None:
    store = FeatureStore(tmp_path)
    features = blobs(store, noise=3.0)
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
    features = blobs(store, n=600)
    features.y = np.random.default_rng(1).permutation(features.y)
    report = sweep([features], SweepOptions(families=SMALL, cv=5), store)
    assert all(0.25 < c.value("accuracy") < 0.42 for c in report.candidates)


def test_grid_files(tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    path.write_text("[ridge]\nalpha = [1.0, 2.0]\n[knn]\nn_neighbors = 3\n")
    ridge, knn = read_grid(path)
    assert ridge.params == ({"alpha": 1.0}, {"alpha": 2.0})
    assert knn.params == ({"n_neighbors": 3},)
    path.write_text("[rigde]\nalpha = 1\n[knn]\nneighbours = 3\nn_neighbors = 2\n")
    with pytest.raises(UnknownHeadError, match=r"ridge.*neighbours"):
        read_grid(path)
    for text in ("", "x = 1", "[ridge"):
        path.write_text(text)
        with pytest.raises(ConfigError):
            read_grid(path)
    with pytest.raises(ConfigError, match="nowhere"):
        read_grid(tmp_path / "nowhere.toml")


def test_the_default_grid_covers_all_heads() -> None:
    families = default_families()
    assert [family.head for family in families] == list(HEADS)
    assert sum(len(family.params) for family in families) >= 40


@pytest.mark.parametrize("options", [{"metric": "acuracy"}, {"cv": 1}])
def test_wrong_options(options: dict) -> None:
    with pytest.raises(ConfigError):
        SweepOptions(**options)


def test_rows_that_judge_a_head_are_not_watched():
    generator = np.random.default_rng(0)
    X, y = generator.normal(size=(90, 8)).astype(np.float32), np.arange(90) % 3
    family = Family("dense", ({"preset": "softmax", "epochs": 30},))
    kernels = []
    for labels in (y[60:], (y[60:] + 1) % 3):
        data = FoldData(X[:60], y[:60], np.arange(60), X[60:], labels)
        ((fitted, _),) = measure_family(family, data, "abc", 0)
        kernels.append(fitted.head.kernel_0_)
    np.testing.assert_array_equal(*kernels)
