"""Configurations: fitted jointly, each that cannot be fitted named, on any backend of joblib."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import joblib
import numpy as np
import pytest
from joblib.parallel import ThreadingBackend
from selection_shared import three_classes

from featx.classifiers.heads.closed_form.centroid import CentroidHead
from featx.classifiers.selection.configurations import (
    Configuration,
    Fitting,
    Outcome,
    fit_group,
    joint_groups,
    outcomes,
)
from featx.classifiers.selection.folds import FoldData, FoldReader, make_folds
from featx.classifiers.selection.splitting.splits import split_features

FITTING = Fitting(("a", "b", "c"))
GRID = [
    *(("centroid", {"metric": metric}) for metric in ("euclidean", "cosine")),
    *(("ridge", {"alpha": alpha}) for alpha in (1.0, 100.0)),
    *(("knn", {"n_neighbors": n}) for n in (5, 10)),
    ("logreg", {"class_weight": {7: 2.0}}),
]
CONFIGURATIONS = [Configuration(i, head, params) for i, (head, params) in enumerate(GRID)]


class ListBackend(ThreadingBackend):
    """Hands its results over together, as the backends of Ray and multiprocessing do."""

    supports_return_generator = False


joblib.register_parallel_backend("list", ListBackend)


def reader(root: Path, cv: int = 0) -> FoldReader:
    features = three_classes(root)
    split = split_features(features)
    return FoldReader(features, make_folds(features, split, cv, 0), split.units)


def by_index(found: Iterator[Outcome]) -> list[Outcome]:
    return sorted(found, key=lambda o: (o.configuration.index, o.fold))


def fold_data(labels: np.ndarray, n_train: int = 60) -> FoldData:
    X = np.random.default_rng(0).normal(size=(len(labels), 8)).astype(np.float32)
    train, held_out = slice(n_train), slice(n_train, None)
    return FoldData(X[train], labels[train], np.arange(n_train), X[held_out], labels[held_out])


@pytest.mark.parametrize("cv", [0, 3])
def test_a_configuration_that_cannot_be_fitted_is_named(tmp_path: Path, cv: int) -> None:
    found = by_index(outcomes(CONFIGURATIONS, reader(tmp_path, cv), FITTING))
    assert len(found) == 7 * max(cv, 1)
    failed = {str(o.configuration) for o in found if o.problem}
    assert failed == {"logreg class_weight=7:2"}
    assert all((o.measured is None) == bool(o.problem) for o in found)


def test_a_configuration_that_cannot_be_fitted_leaves_its_group_alone() -> None:
    found = fit_group(CONFIGURATIONS[4:], 0, fold_data(np.arange(90) % 3), FITTING)
    assert [bool(o.measured) for o in found] == [True, True, False]
    assert "class_weight" in found[-1].problem


@pytest.mark.parametrize("backend", ["threading", "loky", "list"])
def test_any_backend_of_joblib_finds_the_same(tmp_path: Path, backend: str) -> None:
    expected = by_index(outcomes(CONFIGURATIONS, reader(tmp_path, 3), FITTING))
    with joblib.parallel_config(backend, n_jobs=2):
        found = by_index(outcomes(CONFIGURATIONS, reader(tmp_path, 3), FITTING))
    for one, other in zip(expected, found, strict=True):
        assert (one.configuration, one.fold, one.problem) == (
            other.configuration,
            other.fold,
            other.problem,
        )
        if one.measured and other.measured:
            assert one.measured.scores.metrics == other.measured.scores.metrics


@pytest.mark.parametrize("backend", ["sequential", "threading"])
def test_an_interrupt_ends_the_work(tmp_path: Path, backend: str) -> None:
    with joblib.parallel_config(backend, n_jobs=2):
        running = outcomes(CONFIGURATIONS, reader(tmp_path), FITTING)
        next(running)
        with pytest.raises(KeyboardInterrupt):
            running.throw(KeyboardInterrupt())
    with pytest.raises(StopIteration):
        next(running)


def test_other_errors_carry_the_names_of_the_configurations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(CentroidHead, "_fit", broken)
    with pytest.raises(RuntimeError, match="a fault") as raised:
        fit_group(CONFIGURATIONS[:1], 0, fold_data(np.arange(90) % 3), FITTING)
    assert "centroid metric=euclidean" in raised.value.__notes__[0]


def test_a_class_without_training_rows_is_never_predicted() -> None:
    y = np.where(np.arange(90) < 60, np.arange(90) % 2, np.arange(90) % 3)
    (outcome,) = fit_group(CONFIGURATIONS[2:3], 0, fold_data(y), FITTING)
    assert outcome.measured is not None
    assert 0 < outcome.measured.scores.metrics["accuracy"] <= 2 / 3


def test_groups_are_those_that_can_share_work() -> None:
    groups = joint_groups(CONFIGURATIONS, 0, True)
    assert [[c.index for c in group] for group in groups] == [[0], [1], [2, 3], [4, 5], [6]]
    assert [len(group) for group in joint_groups(CONFIGURATIONS, 0, False)] == [1] * 7


def test_rows_that_judge_a_head_are_not_watched() -> None:
    y = np.arange(90) % 3
    configuration = Configuration(0, "dense", {"preset": "softmax", "epochs": 30})
    kernels = []
    for held_out in (y[60:], (y[60:] + 1) % 3):
        (outcome,) = fit_group([configuration], 0, fold_data(np.r_[y[:60], held_out]), FITTING)
        kernels.append(outcome.head.kernel_0_)
    np.testing.assert_array_equal(*kernels)
