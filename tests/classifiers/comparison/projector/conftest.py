"""A log of two feature sets, written once for all tests of this folder."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from comparison_shared import extract_pixels
from images_shared import make_photos
from typer.testing import CliRunner

from featx.cli import app

HOSTILE = "<script>alert(1)<\u2215script>\"'\u202e"


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    root = tmp_path_factory.mktemp("projector")
    photos = make_photos(root / "photos")
    (photos / "red").rename(photos / HOSTILE)
    (photos / HOSTILE / "00.png").rename(photos / HOSTILE / "0\t0.png")
    cache = ("--cache", root / "cache", "--json")

    def featx(*words: object) -> dict:
        result = CliRunner().invoke(app, [str(word) for word in (*words, *cache)])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    large, small = (extract_pixels(root / "cache", photos, n).fingerprint for n in (16, 8))
    model, logdir = root / "model.featx", root / "log"
    featx("fit", large, "--head", "centroid", "--out", model)
    words = ("--logdir", logdir, "--model", model, "--thumbnails", 24)
    report = featx("project", large, small, *words)
    return SimpleNamespace(
        root=root, photos=photos, logdir=Path(logdir), report=report, small=small
    )
