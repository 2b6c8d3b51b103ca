"""Heads as arrays: rebuilt bit by bit, and refused when anything does not fit."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from featx.cache.errors import FeatureMismatchError, ModelFileError
from featx.classifiers.heads.registry import HEADS, load_head, make_head

SMALL = {"dense": {"hidden": (8, 4), "epochs": 3}, "projection": {"width": 32}}


def fitted(name, X, y):
    return make_head(name, **SMALL.get(name, {})).fit(X, y)


@pytest.fixture(scope="module")
def heads(digits):
    return {name: fitted(name, digits.X[:400], digits.y[:400]) for name in HEADS}


def through_json(head):
    return json.loads(json.dumps(head.get_json_params()))


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_rebuilt_head_answers_bit_by_bit(name, dtype, heads, digits):
    head = heads[name]
    arrays = {key: value.copy(order="F") for key, value in head.get_arrays().items()}
    again = load_head(name, through_json(head), arrays)
    X = digits.X_test.astype(dtype)
    np.testing.assert_array_equal(again.predict_proba(X), head.predict_proba(X))
    np.testing.assert_array_equal(again.classes_, head.classes_)
    assert again.n_features_in_ == head.n_features_in_


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("labels", [("cat", "dog"), (0, 1), (-1.0, 2.0)])
def test_rebuilt_head_of_two_classes_answers_bit_by_bit(name, labels, digits):
    rows = digits.y < 2
    X, y = digits.X[rows].astype(np.float64), np.array(labels, object)[digits.y[rows]]
    head = fitted(name, X, y if isinstance(labels[0], str) else y.astype(float))
    again = load_head(name, through_json(head), head.get_arrays())
    np.testing.assert_array_equal(again.predict_proba(X), head.predict_proba(X))
    assert again.predict(X).tolist() == head.predict(X).tolist()


@pytest.mark.parametrize("name", HEADS)
def test_arrays_hold_no_objects(name, heads):
    for values in heads[name].get_arrays().values():
        assert values.dtype.kind in "if"


def broken(arrays):
    """Every array damaged in every way, one at a time."""
    for name, values in arrays.items():
        rest = {key: value for key, value in arrays.items() if key != name}
        yield f"{name} missing", rest
        yield f"{name} as objects", {**arrays, name: values.astype(object)}
        yield f"{name} as text", {**arrays, name: values.astype("U3")}
        yield f"{name} as complex", {**arrays, name: values.astype(complex)}
        yield f"{name} as list", {**arrays, name: values.tolist()}
        yield f"{name} with one more axis", {**arrays, name: values[None]}
        if values.ndim:
            yield f"{name} empty", {**arrays, name: values[:0]}
            yield f"{name} shortened", {**arrays, name: values[..., :-1]}
            yield f"{name} lengthened", {**arrays, name: np.concatenate([values, values[:1]])}
        if values.dtype.kind == "f":
            for bad in (np.nan, np.inf):
                damaged = values.copy()
                damaged.reshape(-1)[-1] = bad
                yield f"{name} with {bad}", {**arrays, name: damaged}
        else:
            yield f"{name} out of range", {**arrays, name: values - 1000}
            yield f"{name} too high", {**arrays, name: values + (1 << 62)}
    yield "one more", {**arrays, "extra": np.zeros(3)}
    yield "no names", {**arrays, 7: np.zeros(3)}
    yield "nothing", {}


# Labels may be any; the model file compares them with its class names.
HARMLESS = {"classes out of range", "classes too high", "classes as text"}


@pytest.mark.parametrize("name", HEADS)
def test_arrays_that_do_not_fit_are_refused(name, heads):
    head = heads[name]
    for what, arrays in broken(head.get_arrays()):
        if what in HARMLESS:
            continue
        with pytest.raises(ModelFileError):
            load_head(name, through_json(head), arrays)
            pytest.fail(what)


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize(
    "change",
    [
        {"nothing": 1},
        {"standardize": "no"},
        {"standardize": None},
        {"__class__": "os.system"},
    ],
)
def test_parameters_that_do_not_fit_are_refused(name, change, heads):
    head = heads[name]
    with pytest.raises(ModelFileError):
        load_head(name, {**through_json(head), **change}, head.get_arrays())


@pytest.mark.parametrize("name", HEADS)
def test_the_scaler_belongs_to_the_parameters(name, heads):
    head = heads[name]
    with pytest.raises(ModelFileError):
        load_head(name, {**through_json(head), "standardize": False}, head.get_arrays())


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("knn", {"n_neighbors": -1}),
        ("dense", {"hidden": [8]}),
        ("dense", {"hidden": ["8", "4"]}),
        ("dense", {"preset": ["mlp"]}),
        ("svm", {"C": "1"}),
        ("svm", {"max_iter": "many"}),
        ("logreg", {"C": float("nan")}),
        ("logreg", {"class_weight": 3}),
    ],
)
def test_hostile_values_are_refused(name, change, heads):
    head = heads[name]
    with pytest.raises(ModelFileError):
        load_head(name, {**through_json(head), **change}, head.get_arrays())


def test_unknown_head_in_a_file_is_refused(heads):
    for name in ("forest", None, ["svm"]):
        with pytest.raises(ModelFileError):
            load_head(name, {}, {})


@pytest.mark.parametrize("name", HEADS)
def test_numbers_that_overflow_are_an_error(name, heads, digits):
    X = digits.X_test[:4].copy()
    X[2] = 3e38
    try:
        found = heads[name].predict_proba(X)
    except FeatureMismatchError as error:
        assert "row 2" in str(error)
    else:
        assert np.isfinite(found).all()


def test_scoring_needs_neither_keras_nor_estimators_of_scikit_learn(heads, tmp_path):
    head = heads["dense"]
    np.savez(tmp_path / "arrays.npz", **head.get_arrays())
    code = f"""
import sys, numpy as np
from featx.classifiers.heads.registry import load_head
arrays = dict(np.load({str(tmp_path / "arrays.npz")!r}, allow_pickle=False))
head = load_head("dense", {through_json(head)!r}, arrays)
print(head.predict_proba(np.zeros((2, 64), np.float32)).shape)
loaded = {{"keras", "tensorflow", "sklearn.linear_model", "sklearn.svm"}} & set(sys.modules)
assert not loaded, loaded
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout.strip()) == (0, "(2, 10)"), result.stderr
