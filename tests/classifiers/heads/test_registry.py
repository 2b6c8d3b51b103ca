"""The table of heads, their names, and the values of their parameters."""

from __future__ import annotations

import subprocess
import sys
from itertools import product

import numpy as np
import pytest

from featx.cache.errors import ConfigError, UnknownHeadError
from featx.classifiers.heads.registry import HEADS, find_head, make_head


def test_records_tell_of_their_heads():
    for name, record in HEADS.items():
        assert record.name == name
        assert record.description
        assert record.cost > 0
        assert set(record.grid) <= set(record.parameters())


def test_every_point_of_every_grid_is_allowed():
    for record in HEADS.values():
        for values in product(*record.grid.values()):
            make_head(record.name, **dict(zip(record.grid, values, strict=True)))._check_params()


def test_every_parameter_has_a_rule():
    for record in HEADS.values():
        assert set(record.parameters()) == set(record.load_class()._rules)


def test_options_reach_the_head():
    head = make_head("dense", preset="softmax", lr=0.5)
    assert (head.preset, head.lr) == ("softmax", 0.5)


def test_unknown_head_names_close_matches():
    with pytest.raises(UnknownHeadError, match="logreg"):
        find_head("logrge")


def test_all_unknown_options_are_named_at_once():
    with pytest.raises(UnknownHeadError) as caught:
        make_head("svm", gama=1, Q=2)
    assert "gama" in str(caught.value)
    assert "'Q'" in str(caught.value)
    assert "gamma" in str(caught.value)


def test_all_bad_values_are_named_at_once(digits):
    head = make_head("dense", preset="big", lr=0, hidden=(0,), dropout=1.0, epochs=2.5)
    with pytest.raises(ConfigError) as caught:
        head.fit(digits.X, digits.y)
    for name in ("preset", "lr", "hidden", "dropout", "epochs"):
        assert f"{name} must be" in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("logreg", {"C": 0}),
        ("logreg", {"C": True}),
        ("logreg", {"C": np.inf}),
        ("linear-svm", {"max_iter": 0}),
        ("svm", {"gamma": "auto"}),
        ("svm", {"max_iter": 0}),
        ("ridge", {"alpha": -1.0}),
        ("knn", {"n_neighbors": 0}),
        ("knn", {"metric": "manhattan"}),
        ("centroid", {"standardize": 1}),
        ("dense", {"random_state": -1}),
        ("ridge", {"class_weight": "even"}),
    ],
)
def test_bad_value_is_refused(name, option, digits):
    with pytest.raises(ConfigError, match=next(iter(option))):
        make_head(name, **option).fit(digits.X, digits.y)


def test_class_weight_of_a_class_that_is_not_there_is_refused(digits):
    with pytest.raises(ConfigError, match="77"):
        make_head("ridge", class_weight={77: 2.0}).fit(digits.X, digits.y)
    with pytest.raises(ConfigError, match="above 0"):
        make_head("ridge", class_weight={3: -2.0}).fit(digits.X, digits.y)


def test_importing_the_table_loads_no_library():
    code = (
        "import sys, featx.classifiers.heads.registry as t; t.find_head('svm');"
        "print(*({'numpy', 'sklearn', 'keras', 'tensorflow', 'scipy'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert not {"sklearn", "keras", "tensorflow", "scipy"} & set(result.stdout.split())
