"""Splits and weights that a caller hands over, and those of a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selection_shared import three_classes

import featx
from featx.cache.errors import ConfigError
from featx.classifiers.fit_arguments import with_split, with_weights
from tests_shared import Cli

PIXELS = ("--backbone", "pixels", "--size", "8")


def test_a_split_by_names_or_by_rows(tmp_path: Path) -> None:
    features = three_classes(tmp_path, 30)
    names = np.array(["train"] * 18 + ["val"] * 6 + ["test"] * 3 + [""] * 3)
    by_name = with_split(features, names)
    by_rows = with_split(
        features, {"train": range(18), "val": np.arange(18, 24), "test": names == "test"}
    )
    for given in (by_name, by_rows):
        assert [int(given.in_split(s).sum()) for s in ("train", "val", "test")] == [18, 6, 3]
        assert (given.y[27:] == -1).all() and (given.y[:27] >= 0).all()
    assert by_name.manifest.data_digest == by_rows.manifest.data_digest
    assert by_name.manifest.data_digest != features.manifest.data_digest


@pytest.mark.parametrize(
    ("split", "hint"),
    [
        (["train"] * 3, "expected train, val or test for each row"),
        (["trian"] * 30, "Did you mean train"),
        ({"train": [0, 1], "val": [1]}, "gives '1.png' twice"),
        ({"val": [1]}, "no training rows"),
    ],
)
def test_splits_that_cannot_be_used(tmp_path: Path, split: Any, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        with_split(three_classes(tmp_path, 30), split)


def test_weights_by_rows_or_by_id(tmp_path: Path) -> None:
    features = three_classes(tmp_path, 9)
    assert features.weights is None
    by_id = with_weights(features, {"2.png": 3, "0.png": 0.5})
    assert by_id.weights is not None and by_id.weights.tolist() == [0.5, 1, 3, *[1] * 6]
    by_row = with_weights(features, [0.5, 1, 3, *[1] * 6])
    assert by_row.manifest.data_digest == by_id.manifest.data_digest
    assert by_row[2:4].weights.tolist() == [3, 1]  # type: ignore[union-attr]
    for wrong, hint in (
        ([1, 2], "expected one weight"),
        ({"x": 1}, "no sample"),
        ([-1] * 9, "not"),
    ):
        with pytest.raises(ConfigError, match=hint):
            with_weights(features, wrong)


def test_fit_learns_from_the_weights_and_the_split_that_it_gets(cli: Cli, photos: Path) -> None:
    assert cli("extract", photos, *PIXELS).exit_code == 0
    features = featx.open_features()
    split = np.array(["train", "val", "test", "train"])[np.arange(24) % 4]
    weights = np.where(features.y == 2, 1.0, 0.0)
    weights[:12] += 1e-3
    plain = featx.fit(features, head="ridge", split=split)
    assert [len(rows) for rows in (plain.split.train, plain.split.val, plain.split.test)] == [
        12,
        6,
        6,
    ]
    weighted = featx.fit(features, head="ridge", split=split, sample_weight=weights)
    assert weighted.model.predict_proba(features)[:, 2].sum() > (
        plain.model.predict_proba(features)[:, 2].sum() + 1
    )
    with pytest.raises(ConfigError, match="unknown metric"):
        featx.fit(head="ridge", metric="acuracy")


def write_table(photos: Path, weights: list[str]) -> None:
    paths = sorted(path for path in photos.rglob("*.*"))
    lines = [
        f"{path},{path.parent.name},{weight}"
        for path, weight in zip(paths, weights * 8, strict=True)
    ]
    Path("t.csv").write_text("path,label,how much\n" + "\n".join(lines) + "\n")


def test_a_column_of_weights(cli: Cli, photos: Path) -> None:
    write_table(photos, ["1", "0.5", "2"])
    words = ("extract", "t.csv", *PIXELS, "--weight-column")
    result = cli(*words, "how much")
    assert result.exit_code == 0, result.output
    assert "weight how much" in result.stderr and "not used" not in result.stderr
    features = featx.open_features()
    assert features.weights is not None and features.weights.tolist() == [1, 0.5, 2] * 8
    own = featx.fit(head="ridge")
    given = featx.fit(head="ridge", sample_weight=features.weights)
    same = [report.model.predict_proba(features) for report in (own, given)]
    assert np.array_equal(*same)
    ones = featx.fit(head="ridge", sample_weight=np.ones(24)).model.predict_proba(features)
    assert not np.array_equal(same[0], ones)
    assert json.loads(cli("sweep", "--heads", "ridge", "--json").stdout)
    missing = cli(*words, "how mush")
    assert missing.exit_code == 1 and "Did you mean how much?" in missing.stderr


@pytest.mark.parametrize("weight", ["-1", "much", "", "inf"])
def test_weights_of_a_table_that_are_none(cli: Cli, photos: Path, weight: str) -> None:
    write_table(photos, ["1", weight, "2"])
    result = cli("extract", "t.csv", *PIXELS, "--weight-column", "how much")
    assert result.exit_code == 1 and "row 2 has the weight" in result.stderr
