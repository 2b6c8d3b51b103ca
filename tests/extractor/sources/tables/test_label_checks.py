"""Columns that hold one class for each image, and those that do not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from images_shared import touch

from featx.cache.errors import SourceFormatError
from featx.extractor.sources import Source, SourceOptions, open_source


def write(folder: Path, header: str, rows: Sequence[str]) -> Path:
    for number in range(len(rows)):
        touch(folder / f"{number}.png")
    lines = [f"{number}.png,{row}" for number, row in enumerate(rows)]
    (folder / "t.csv").write_text("\n".join([f"path,{header}", *lines]), "utf-8")
    return folder / "t.csv"


def classes(source: Source) -> tuple[str, ...]:
    return source.listing().class_names


@pytest.mark.parametrize(
    "rows",
    [
        [f"{1.37 * i:.3f}" for i in range(15)],
        [str(1000 + 7 * i) for i in range(12)],
        [f"{-i}.5" for i in range(10)],
        [f"{i}e3" for i in range(20)],
        [f'"{i},5"' for i in range(20)],
        [f"${i}.20" for i in range(12)],
        ["1.5", "1.87", "2.24", "3.1"],
        [f"{i % 25}.25" for i in range(100)],
        ["NA" if i % 5 == 0 else f"{i}.75" for i in range(15)],
        [f"{i} cm" for i in range(12)],
        [f"2020-01-{i:02d}" for i in range(1, 13)],
        [f"12:{i}" for i in range(10, 22)],
    ],
)
def test_measured_numbers_are_refused_until_they_are_asked_for(
    tmp_path: Path, rows: list[str]
) -> None:
    table = write(tmp_path, "target", rows)
    with pytest.raises(SourceFormatError, match=r"something measured.*--label-column target"):
        open_source(table)
    named = open_source(table, SourceOptions(label_column="target"))
    assert len(classes(named)) == len(set(rows))
    assert classes(open_source(table, SourceOptions(label_column="none"))) == ()


@pytest.mark.parametrize(
    "rows",
    [[str(i % 5) for i in range(20)], [f"{i % 4}.5" for i in range(12)], ["1", "2", "3"]],
)
def test_numbers_that_repeat_are_classes(tmp_path: Path, rows: list[str]) -> None:
    assert len(classes(open_source(write(tmp_path, "label", rows)))) == len(set(rows))


@pytest.mark.parametrize(
    "rows",
    [
        ["cat;dog", "cat", "dog"],
        ["cat|dog", "fish", "cat"],
        ["['cat', 'dog']".replace("'", "").replace("[", '"[').replace("]", ']"'), "[cat]"],
        ['"cat, dog"', "cat", "dog"],
        ['"cat,fish"', '"dog,cat"', '"fish,dog"'],
        ["cat+dog", "cat", "dog"],
        ["a;b", "c;d"],
        ["cat dog", "cat", "dog"],
        ["cat/dog", "cat", "dog"],
    ],
)
@pytest.mark.parametrize("column", [None, "label"])
def test_lists_of_labels_are_refused(tmp_path: Path, rows: list[str], column: str | None) -> None:
    with pytest.raises(SourceFormatError, match="several labels in a cell, such as"):
        open_source(write(tmp_path, "label", rows), SourceOptions(label_column=column))


def test_names_with_commas_are_classes(tmp_path: Path) -> None:
    rows = ['"tench, Tinca tinca"', '"goldfish, Carassius auratus"', "salt & pepper"]
    assert len(classes(open_source(write(tmp_path, "label", rows)))) == 3


def test_names_of_several_words_are_classes(tmp_path: Path) -> None:
    names = ["red apple", "green apple", "red pear", "red"]
    assert len(classes(open_source(write(tmp_path, "label", names)))) == 4


def test_several_columns_of_labels_are_refused(tmp_path: Path) -> None:
    table = write(tmp_path, "label_1,label_2", ["cat,young", "dog,old"])
    with pytest.raises(SourceFormatError, match="several columns of labels: label_1, label_2"):
        open_source(table)
    assert classes(open_source(table, SourceOptions(label_column="label_2"))) == ("old", "young")
    with pytest.raises(SourceFormatError, match="several columns of labels: label, label2"):
        open_source(write(tmp_path, "label,label2", ["cat,young", "dog,old"]))
    with pytest.raises(SourceFormatError, match="labels that differ: target, diagnosis"):
        open_source(write(tmp_path, "diagnosis,target", ["naevus,0", "lentigo,0", "melanoma,1"]))


def test_several_columns_of_the_same_classes_are_one(tmp_path: Path) -> None:
    table = write(tmp_path, "class_id,class_name", ["7,cat", "9,dog", "7,cat"])
    assert classes(open_source(table)) == ("cat", "dog")


def test_one_hot_columns_are_taken_when_they_are_named(tmp_path: Path) -> None:
    table = write(tmp_path, "cat,dog,fish", ["1,0,0", "0,1,0", "0,0,1", "0,1,0"])
    with pytest.raises(SourceFormatError, match=r"one-hot.*--label-column 'cat,dog,fish'"):
        open_source(table)
    source = open_source(table, SourceOptions(label_column="cat,dog,fish"))
    assert classes(source) == ("cat", "dog", "fish")
    assert source.listing().labels.tolist() == [0, 1, 2, 1]
    assert "3 one-hot columns" in source.understood
    assert classes(open_source(table, SourceOptions(label_column="none"))) == ()


@pytest.mark.parametrize(("set_", "unset"), [("yes", "no"), ("x", ""), ("T", "F"), ("Y", "N")])
def test_one_hot_columns_in_words(tmp_path: Path, set_: str, unset: str) -> None:
    rows = [f"{set_},{unset},{unset}", f"{unset},{set_},{unset}", f"{unset},{unset},{set_}"]
    table = write(tmp_path, "cat,dog,fish", rows)
    with pytest.raises(SourceFormatError, match="one-hot"):
        open_source(table)
    source = open_source(table, SourceOptions(label_column="cat,dog,fish"))
    assert source.listing().labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("rows", "message"),
    [(["1,1", "0,1"], "row 1 is both cat and dog"), (["1,0", "0,2"], "holds '2'")],
)
def test_one_hot_columns_that_are_none(tmp_path: Path, rows: list[str], message: str) -> None:
    table = write(tmp_path, "cat,dog", rows)
    with pytest.raises(SourceFormatError, match=message):
        open_source(table, SourceOptions(label_column="cat,dog"))


def test_many_flags_are_refused_and_two_are_no_labels(tmp_path: Path) -> None:
    table = write(tmp_path, "cat,dog,fish", ["1,1,0", "0,1,0", "0,0,1"])
    with pytest.raises(SourceFormatError, match="zeros and ones"):
        open_source(table)
    source = open_source(write(tmp_path, "blurred,dark", ["1,1", "0,1", "0,0"]))
    assert "columns not used: blurred, dark" in source.understood


def test_spaces_make_no_classes_and_capitals_are_said(tmp_path: Path) -> None:
    rows = ["Bag", "Bag ", " Bag", "bag", "Bag\u00a0", "Boot", "Boot"]
    source = open_source(write(tmp_path, "label", rows))
    assert classes(source) == ("Bag", "Boot", "bag")
    assert "'Bag' and 'bag' are different classes here" in source.understood
    assert "a single image in bag" in source.understood


def test_rows_without_label_are_counted(tmp_path: Path) -> None:
    source = open_source(write(tmp_path, "label", ["cat", "", "dog", '" "']))
    assert source.listing().labels.tolist() == [0, -1, 1, -1]
    assert "4 images, 2 classes (cat, dog), 2 of them unlabelled" in source.understood
