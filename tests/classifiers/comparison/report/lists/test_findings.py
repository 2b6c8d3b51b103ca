"""The lists of images to look at."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from featx.classifiers.comparison.report.lists.label_errors import skipped


def test_wrong_labels_are_found(made: SimpleNamespace) -> None:
    pytest.importorskip("cleanlab", reason="needs cleanlab: pip install 'featx[report]'")
    rows = made.data["csv"]["label-errors"]
    assert rows[0][:3] == ["id", "label", "suggested"]
    wrong = [row for row in rows[1:] if "wrong" in row[0]]
    assert len(wrong) >= 6 and all(row[1] == "blue" for row in wrong)
    assert len(rows) - 1 <= len(wrong) + 2, "few right labels are doubted"


def test_lists_say_why_they_are_empty() -> None:
    assert skipped("no reason").skipped == "no reason" and not len(skipped("").rows)
