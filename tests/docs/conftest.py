"""A project as the pages assume it: a hundred photographs, their features and a model."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from featx.cli import app
from tests_shared import Cli

N_PER_CLASS = 8


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``photos/`` (80 images, ten classes), their features and ``model.featx``."""
    folder = tmp_path_factory.mktemp("docs") / "project"
    folder.mkdir()
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
    return Path(shutil.copytree(folder, folder.with_name("finished")))


def run(*words: str) -> None:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, f"{words}: {result.output}"


@pytest.fixture
def project(cli: Cli, finished_project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The finished project as the working folder, for one page to change.

    It lies where it was made, since features go by the place of their source.
    """
    folder = finished_project.with_name("project")
    shutil.rmtree(folder)
    shutil.copytree(finished_project, folder)
    monkeypatch.chdir(folder)
    return folder
