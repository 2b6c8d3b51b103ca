"""StringColumn: an array of strings in one buffer."""

from __future__ import annotations

import numpy as np
import pytest

from featx.cache import StringColumn

NAMES = ["a", "", "é/ü.png", "b\udcff", "a"]


def test_it_is_indexed_as_an_array() -> None:
    column = StringColumn.from_strings(NAMES)
    assert column[2] == "é/ü.png" and column[-1] == "a" and column[np.int64(1)] == ""
    assert list(column[1:3]) == NAMES[1:3] and list(column[::-1]) == NAMES[::-1]
    assert list(column[np.array([True, False, False, True, False])]) == ["a", "b\udcff"]
    assert list(column[[3, 0]]) == ["b\udcff", "a"] and list(column[np.array([], int)]) == []
    with pytest.raises(IndexError):
        column[5]
    with pytest.raises(IndexError):
        column[np.array([True, False])]


def test_it_becomes_an_array_and_compares_as_one() -> None:
    column = StringColumn.from_strings(NAMES)
    assert column.shape == (5,) and column.to_numpy().tolist() == NAMES
    assert np.asarray(column).dtype == object
    assert np.asarray(StringColumn.from_strings(["x", "yy"]), dtype="U").dtype == "<U2"
    assert (column == "a").tolist() == [True, False, False, False, True]
    assert column == StringColumn.from_strings(NAMES)
    assert np.isin(column, ["a"]).sum() == 2


def test_it_finds_a_string() -> None:
    column = StringColumn.from_strings(NAMES)
    assert [column.find(name) for name in NAMES] == [0, 1, 2, 3, 0]
    assert column.find("é/ü.jpg") == column.find("aa") == -1
    assert StringColumn.from_strings([]).find("a") == StringColumn.from_strings([]).find("") == -1


def test_it_shows_its_first_strings() -> None:
    assert repr(StringColumn.from_strings(["x"])) == "StringColumn(['x'], n=1)"
    assert repr(StringColumn.from_strings(NAMES)).endswith("'é/ü.png', …], n=5)")


def test_it_is_made_in_blocks_and_knows_whether_a_string_occurs_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = StringColumn.from_strings(NAMES)
    monkeypatch.setattr("featx.cache.format.strings.BLOCK_STRINGS", 2)
    assert StringColumn.from_strings(iter(NAMES)) == whole and not whole.is_distinct
    assert StringColumn.from_strings(NAMES[1:]).is_distinct
    assert StringColumn.from_strings([]).is_distinct
