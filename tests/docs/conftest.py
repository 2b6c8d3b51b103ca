"""A project as the pages assume it: a hundred photographs, their features and a model."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from featx.cli import app

N_PER_CLASS = 8


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``photos/`` (80 images, ten classes), their features and ``model.featx``."""
    folder = tmp_path_factory.mktemp("docs")
    home = Path.cwd()
    os.chdir(folder)
    try:
        run("sample", "photos")
        for label in Path("photos").iterdir():
            for path in sorted(label.iterdir())[N_PER_CLASS:]:
                path.unlink()
        run("extract", "photos")
        run("fit", "--head", "logreg")
    finally:
        os.chdir(home)
    return folder


def run(*words: str) -> None:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, f"{words}: {result.output}"


@pytest.fixture
def project(finished_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished project, as the working folder."""
    shutil.copytree(finished_project, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEATX_CACHE", raising=False)
    return tmp_path
