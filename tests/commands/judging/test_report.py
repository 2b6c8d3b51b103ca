"""featx report."""

from __future__ import annotations

import json
from pathlib import Path

from comparison_shared import extract_pixels

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


def test_wrong_words_are_explained(cli: Cli, photos: Path) -> None:
    assert "featx extract" in cli("report").stderr
    extract_pixels(Path("featx-cache"), photos)
    assert "holds no results to compare" in cli("report", "ridge").stderr
    Path("page.html").write_text("mine")
    assert "--overwrite" in cli("report", "--out", "page.html").stderr
    assert Path("page.html").read_text() == "mine" and not Path("report.html").exists()
