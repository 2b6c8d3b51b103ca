"""The group lasso finds the columns that tell classes apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from featx.cache.errors import ConfigError, ModelFileError
from featx.classifiers.heads.closed_form.ridge import RidgeHead
from featx.classifiers.heads.joint_fit import fit_many
from featx.classifiers.heads.registry import HEADS, make_head
from featx.classifiers.heads.selection.column_view import ColumnView, remaining_widths
from featx.classifiers.heads.selection.group_lasso import best_columns
from featx.classifiers.heads.training_data import Training

SMALL = {"dense": {"epochs": 2}, "projection": {"width": 32}}


def hidden_signal(k: int = 3) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Return noise with ``k`` classes in some columns, whose units differ a lot."""
    n, d, rng = 300, 40, np.random.default_rng(0)
    useful, y = [3, 11, 25, 38], np.arange(n) % k
    X = rng.normal(size=(n, d))
    X[:, useful] += rng.normal(size=(k, len(useful)))[y] * 2
    return (X * 10.0 ** rng.integers(-3, 4, d) + 5).astype(np.float32), y, useful


def training(X: np.ndarray, y: np.ndarray, **more: object) -> Training:
    return replace(Training(X, y.astype(np.int64), None, int(y.max()) + 1), **more)


def test_useful_columns_are_found_whatever_their_units() -> None:
    X, y, useful = hidden_signal()
    assert best_columns(training(X, y), 4).tolist() == useful
    assert set(best_columns(training(X, y), 8)) > set(useful)
    assert best_columns(training(X, y), 40).tolist() == list(range(40))


def test_two_classes_are_told_apart() -> None:
    X, y, useful = hidden_signal(k=2)
    assert set(best_columns(training(X, y), 2)) < set(useful)


def test_samples_of_little_weight_do_not_choose() -> None:
    X, y, useful = hidden_signal()
    wrong = np.random.default_rng(1).permutation(y)
    X[:, 0] += 100 * wrong  # tells the labels of the second half
    labels = np.concatenate([y, wrong])
    weight = np.repeat([1.0, 1e-6], len(y))
    data = training(np.concatenate([X, X]), labels, weight=weight, sample_weight=weight)
    assert best_columns(data, 4).tolist() == useful


@pytest.mark.parametrize("name", HEADS)
def test_every_head_reads_the_selected_columns_alone(name: str) -> None:
    X, y, useful = hidden_signal()
    head = make_head(name, select=4, **SMALL.get(name, {})).fit(X, y)
    plain = make_head(name, **SMALL.get(name, {})).fit(np.take(X, useful, axis=1), y)
    assert head.columns_.tolist() == useful and head.n_features_in_ == 40
    expected = head.predict_proba(X)
    np.testing.assert_allclose(plain.predict_proba(np.take(X, useful, axis=1)), expected, atol=1e-5)
    again = type(head).from_arrays(head.get_json_params(), head.get_arrays())
    np.testing.assert_array_equal(again.predict_proba(X), expected)
    np.testing.assert_array_equal(head.predict_proba(ColumnView(X, np.arange(40))), expected)
    with pytest.raises(ValueError, match="features"):
        head.predict_proba(X[:, :4])


def test_heads_that_are_fitted_jointly_read_the_same_columns() -> None:
    X, y, useful = hidden_signal()
    heads = fit_many([RidgeHead(1.0, select=4), RidgeHead(9.0, select=4), RidgeHead(9.0)], X, y)
    assert heads[0].columns_.tolist() == heads[1].columns_.tolist() == useful
    np.testing.assert_array_equal(
        heads[1].predict_proba(X), RidgeHead(9.0, select=4).fit(X, y).predict_proba(X)
    )
    assert not hasattr(heads[2], "columns_") and "select" not in heads[2].get_json_params()


def test_rows_on_disk_choose_and_give_the_same() -> None:
    X, y, useful = hidden_signal()
    lazy = ColumnView(X, np.arange(40))
    for head in (RidgeHead(select=4), make_head("logreg", select=4)):
        head.fit(lazy, y)
        assert head.columns_.tolist() == useful and head.score(X, y) > 0.8


def test_more_columns_than_there_are_keep_all() -> None:
    X, y, _ = hidden_signal()
    head, plain = RidgeHead(select=99).fit(X, y), RidgeHead().fit(X, y)
    np.testing.assert_array_equal(head.predict_proba(X), plain.predict_proba(X))


def test_a_file_whose_columns_point_outside_is_refused() -> None:
    X, y, _ = hidden_signal()
    head = RidgeHead(select=4).fit(X, y)
    params, arrays = head.get_json_params(), head.get_arrays()
    for columns in ([-1, 1, 2, 3], [0, 1, 2, 40], [0, 2, 1, 3], [0, 1, 1, 2]):
        with pytest.raises(ModelFileError, match="columns"):
            RidgeHead.from_arrays(params, {**arrays, "columns": np.array(columns)})
    with pytest.raises(ModelFileError, match="columns"):
        RidgeHead.from_arrays(params, {k: v for k, v in arrays.items() if k != "columns"})


@pytest.mark.parametrize("select", [0, -3, 2.5, True, "all"])
def test_a_number_of_columns_that_cannot_be_is_refused(select: object) -> None:
    X, y, _ = hidden_signal()
    with pytest.raises(ConfigError, match="select must be"):
        RidgeHead(select=select).fit(X, y)


def test_the_widths_of_sets_that_remain() -> None:
    assert remaining_widths((3, 2, 4), np.array([0, 2, 5, 6, 8])) == (2, 3)
    assert remaining_widths((), np.array([0, 2])) == ()
