"""Splits as tables."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from splits_shared import features_of, sides

from featx.cache.errors import ConfigError, SourceFormatError
from featx.classifiers.selection.splitting.exchange import export_split, import_split

LABELS = [0, 1, 2] * 100


@pytest.mark.parametrize("name", ["s.csv", "s.parquet"])
def test_a_table_brings_a_split_to_another_cache(tmp_path: Path, name: str) -> None:
    features = features_of(tmp_path / "1", range(300), LABELS)
    split = export_split(features, tmp_path / name, 7)
    other = features_of(tmp_path / "2", range(300), LABELS, source="elsewhere")
    assert sides(other) != sides(features, 7)
    report = import_split(other, tmp_path / name)
    assert sides(other) == sides(features, 7)
    assert (report.n_taken, report.n_drawn, report.n_unknown) == (300, 0, 0)
    assert report.split.to_dict()["digest"] == split.to_dict()["digest"]
    export_split(features, tmp_path / name)  # its own table is replaced


def test_a_table_of_another_tool_is_taken_by_id(tmp_path: Path) -> None:
    features = features_of(tmp_path, range(300), LABELS)
    before, ids = sides(features), list(features.sample_ids)
    with (tmp_path / "t.csv").open("w", newline="") as file:
        rows = [(name, "Validation" if i < 20 else "testing") for i, name in enumerate(ids[:50])]
        csv.writer(file, delimiter=";").writerows([("id", "split"), *rows, ("other.png", "train")])
    report = import_split(features, tmp_path / "t.csv")
    assert (report.n_taken, report.n_drawn, report.n_unknown) == (50, 250, 1)
    assert set(range(20)) <= set(report.split.val.tolist())
    assert set(range(20, 50)) <= set(report.split.test.tolist())
    after = sides(features)
    assert all(before[bytes(d)] == after[bytes(d)] for d in features.digests[50:])


def test_the_last_import_counts(tmp_path: Path) -> None:
    features = features_of(tmp_path, range(300), LABELS)
    for seed in (3, 4):
        export_split(features, tmp_path / f"{seed}.csv", seed)
        import_split(features, tmp_path / f"{seed}.csv")
    assert sides(features) == sides(features, 4) != sides(features, 3)


def test_groups_keep_an_imported_split(tmp_path: Path) -> None:
    groups = [f"p{i // 10}" for i in range(100)]
    features = features_of(tmp_path, range(100), [0] * 100, groups=groups)
    names = ["test" if i < 30 else "val" if i < 50 else "train" for i in range(100)]
    table = pa.table({"id": list(features.sample_ids), "split": names})
    parquet.write_table(table, tmp_path / "t.parquet")
    assert import_split(features, tmp_path / "t.parquet").split.test.tolist() == list(range(30))
    names[3] = "train"
    torn = pa.table({"id": list(features.sample_ids), "split": names})
    parquet.write_table(torn, tmp_path / "t.parquet")
    with pytest.raises(SourceFormatError, match="the same bytes or one group"):
        import_split(features, tmp_path / "t.parquet")


def test_splits_of_the_source_stay_beside_a_table(tmp_path: Path) -> None:
    given = [0] * 250 + [2] * 50
    features = features_of(tmp_path, range(300), LABELS, given=given)
    table = {
        "digest": [bytes(d).hex() for d in features.digests],
        "split": ["val"] * 20 + ["train"] * 280,
    }
    parquet.write_table(pa.table(table), tmp_path / "t.parquet")
    report = import_split(features, tmp_path / "t.parquet")
    assert report.given == ("test",) and report.split.test.tolist() == list(range(250, 300))
    assert report.split.val.tolist() == list(range(20))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,side\na,train\n", "expected a column `split`"),
        ("name,split\na,train\n", "expected a column `split`, and `digest` or `id`"),
        ("id,split\nq.png,train\n", "none of its 1 rows"),
        ("id,split\nm/0-0.png,left\n", "unknown split 'left'"),
        ("id,split\nm/0-0.png,train\nm/0-0.png,test\n", "stand in two splits"),
    ],
)
def test_tables_that_say_no_split_are_refused(tmp_path: Path, text: str, words: str) -> None:
    features = features_of(tmp_path, range(30), [0, 1, 2] * 10)
    (tmp_path / "t.csv").write_text(text)
    before = sides(features)
    with pytest.raises(SourceFormatError, match=words):
        import_split(features, tmp_path / "t.csv")
    assert sides(features) == before


def test_only_its_own_tables_are_replaced(tmp_path: Path) -> None:
    features = features_of(tmp_path, range(30), [0, 1, 2] * 10)
    for name in ("t.csv", "t.parquet"):
        (tmp_path / name).write_text("id,mine\n")
        with pytest.raises(ConfigError, match="not a table of splits"):
            export_split(features, tmp_path / name)
    with pytest.raises(ConfigError, match=r"ends in \.csv or \.parquet"):
        export_split(features, tmp_path / "t.xlsx")


def test_samples_without_a_label_have_no_split(tmp_path: Path) -> None:
    features = features_of(tmp_path, range(30), [0, 1, -1] * 10)
    export_split(features, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["split"] == "" for row in rows] == [label < 0 for label in features.y]
    assert np.unique([row["label"] for row in rows]).tolist() == ["", "a", "b"]
