"""The projector's table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from cache_shared import make_spec

from featx.cache import FeatureBatch, FeatureSet, FeatureStore, Listing, Manifest, StringColumn
from featx.classifiers.comparison.projector.metadata import (
    PointPredictions,
    point_columns,
    write_metadata,
)


def features_of(
    root: Path, ids: list[str], labels: list[int], names: tuple[str, ...]
) -> FeatureSet:
    n = len(ids)
    digests = np.random.default_rng(0).integers(1, 256, (n, 32), dtype=np.uint8)
    listing = Listing(
        StringColumn.from_strings(ids),
        np.array(labels, np.int64),
        np.full(n, -1, np.int8),
        None,
        names,
    )
    store, spec = FeatureStore(root), make_spec("b")
    store.write_rows(spec, [FeatureBatch(digests, np.ones((n, 4), np.float32))])
    manifest = Manifest("m", "here", listing, digests, np.zeros((n, 3), np.int64), 0)
    return FeatureSet(manifest, store.open_set(spec))


def table(path: Path, columns: dict) -> list[list[str]]:
    write_metadata(path, columns)
    text = path.read_bytes().decode("utf-8")
    assert text.endswith("\n") and not text.endswith("\n\n")
    return [line.split("\t") for line in text[:-1].split("\n")]


def test_hostile_names_shift_no_row(tmp_path: Path) -> None:
    ids = ["a\tb.png", "c\nd\re.png", "f\x85\u2028g.png", "h\udcff.png", "<script>\u202e.png"]
    names = ("ca\tt", "d\nog")
    features = features_of(tmp_path, ids, [0, 1, 0, -1, 1], names)
    rows = table(tmp_path / "m.tsv", point_columns(features, np.arange(5)))
    assert rows[0] == ["label", "id", "split"]
    assert [row[1] for row in rows[1:]] == [
        "a\\tb.png",
        "c\\nd\\re.png",
        "f\\x85\\u2028g.png",
        "h\\udcff.png",
        "<script>\\u202e.png",
    ]
    assert [row[0] for row in rows[1:]] == ["ca\\tt", "d\\nog", "ca\\tt", "(no label)", "d\\nog"]


def test_a_source_without_labels_still_has_a_header(tmp_path: Path) -> None:
    features = features_of(tmp_path, ["a", "b"], [-1, -1], ())
    assert table(tmp_path / "m.tsv", point_columns(features, np.arange(2), None)) == [
        ["id", "split"],
        ["a", "(no split)"],
        ["b", "(no split)"],
    ]


def test_predictions_stand_beside_the_labels(tmp_path: Path) -> None:
    features = features_of(tmp_path, ["a", "b", "c"], [0, 1, -1], ("x", "y"))
    predictions = PointPredictions("m", np.array([0, 0]), np.array([0.9, 0.51234]), ("x", "y"))
    columns = point_columns(features, np.array([1, 2]), predictions)
    rows = table(tmp_path / "m.tsv", columns)
    assert rows[0] == ["label", "id", "split", "predicted", "probability", "outcome"]
    assert [row[3:] for row in rows[1:]] == [["x", "0.9000", "wrong"], ["x", "0.5123", "no label"]]


def test_of_many_classes_a_column_joins_the_rare_ones(tmp_path: Path) -> None:
    labels = [*range(80), *range(10)]
    features = features_of(
        tmp_path, [str(i) for i in range(90)], labels, tuple(f"c{i}" for i in range(80))
    )
    columns = point_columns(features, np.arange(90), None)
    assert len(set(columns["label"])) == 80
    frequent = set(columns["frequent label"])
    assert len(frequent) <= 50 and {f"c{i}" for i in range(10)} <= frequent
    assert "(other classes)" in frequent
