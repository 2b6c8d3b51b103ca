"""featx report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from comparison_shared import extract_pixels

from featx.classifiers.comparison.report.lists import label_errors
from tests_shared import Cli


def test_report_says_what_it_found_and_where_it_is(cli: Cli, photos: Path) -> None:
    extract_pixels(Path("featx-cache"), photos)
    assert cli("fit", "--head", "centroid").exit_code == 0
    result = cli("report", "--no-tsne")
    assert result.exit_code == 0, result.output
    assert "1 model, 24 images: 0 mistakes" in result.stdout
    assert "Report: report.html (" in result.stdout and Path("report.html").is_file()
    again = cli("report", "model.featx", "--no-tsne", "--json")
    assert again.exit_code == 0, again.output
    data = json.loads(again.stdout)
    assert data["n_models"] == 1 and data["out"] == "report.html"


def test_what_was_not_looked_for_is_no_zero(
    cli: Cli, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract_pixels(Path("featx-cache"), photos)
    monkeypatch.setattr(label_errors, "find_spec", lambda _: None)
    data = json.loads(cli("report", "--no-tsne", "--json").stdout)
    assert "label-errors" not in data["lists"] and "outliers" in data["lists"]
    assert any("pip install 'featx[report]'" in note for note in data["notes"])
    page = cli("report", "--no-tsne")
    assert "probable label errors" not in page.stdout.splitlines()[0]
    assert "Probable label errors: Not looked for: cleanlab is not installed" in page.stdout


def test_wrong_words_are_explained(cli: Cli, photos: Path) -> None:
    assert "featx extract" in cli("report").stderr
    extract_pixels(Path("featx-cache"), photos)
    assert "holds no results to compare" in cli("report", "ridge").stderr
    Path("page.html").write_text("mine")
    assert "--overwrite" in cli("report", "--out", "page.html").stderr
    assert Path("page.html").read_text() == "mine" and not Path("report.html").exists()
