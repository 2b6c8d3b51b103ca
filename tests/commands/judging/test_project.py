"""featx project."""

from __future__ import annotations

import json
from pathlib import Path

from comparison_shared import extract_pixels

from tests_shared import Cli


def test_project_says_what_it_wrote_and_what_comes_next(cli: Cli, photos: Path) -> None:
    extract_pixels(Path("featx-cache"), photos)
    result = cli("project", "--logdir", "log", "--points", "9")
    assert result.exit_code == 0, result.output
    assert "9 points of 192 features" in result.stdout
    assert "A sample of 9 of 24 images" in result.stdout
    assert result.stdout.endswith("Next: tensorboard --logdir log\n")
    assert max(map(len, result.stdout.splitlines())) < 120
    data = json.loads(cli("project", "--logdir", "log", "--json").stdout)
    assert data["projected"][0]["n_points"] == 24 and not data["notes"]


def test_wrong_words_are_explained(cli: Cli, photos: Path) -> None:
    assert "featx extract" in cli("project", "--logdir", "log").stderr
    extract_pixels(Path("featx-cache"), photos)
    assert "no cached features answer to" in cli("project", "nothing").stderr
    assert "from 1 to 100,000" in cli("project", "--points", "0").stderr
    assert "no-model" in cli("project", "--model", "no-model").stderr
    assert not Path("featx-projector").exists()
