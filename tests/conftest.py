"""What several tests share: small pictures, and the command line in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from images_shared import make_photos
from typer.testing import CliRunner

from featx.cli import app
from tests_shared import Cli


@pytest.fixture(scope="session", autouse=True)
def featx_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Converted models go to one folder for all tests, and not to the user's."""
    home = tmp_path_factory.mktemp("featx-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEATX_HOME", str(home))
        yield home


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run featx in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEATX_CACHE", raising=False)
    runner = CliRunner()
    return lambda *words: runner.invoke(app, [str(word) for word in words])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three classes, told apart by their colour, eight small pictures each."""
    return make_photos(tmp_path / "photos")
