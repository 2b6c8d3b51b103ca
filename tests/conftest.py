"""What several tests share: small pictures, and the command line in a folder of its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from images_shared import make_photos
from s3_shared import Proxy, configured, proxy_before, s3_server
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


@pytest.fixture(scope="session", autouse=True)
def no_fast_formats() -> Iterator[None]:
    """``--precision auto`` takes float32 on any processor: measuring a format takes seconds."""
    from featx.extractor.precision import decide

    machine = replace(decide.this_machine(), flags=frozenset())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decide, "this_machine", lambda: machine)
        yield


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of an S3 server on loopback."""
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the copies of what lies behind URLs, for one test."""
    folder = tmp_path / "copies"
    monkeypatch.setenv("FEATX_COPIES", str(folder))
    return folder


@pytest.fixture
def proxy(s3_endpoint: str, copies: Path) -> Iterator[Proxy]:
    """A proxy before the S3 server, which all of the test's requests go through."""
    with (
        proxy_before(s3_endpoint) as (between, endpoint),
        pytest.MonkeyPatch.context() as patch,
        configured(endpoint, patch),
    ):
        yield between


@pytest.fixture
def bucket(proxy: Proxy) -> str:
    """An empty bucket, as a URL."""
    import fsspec

    name = f"bucket-{uuid.uuid4().hex[:12]}"
    fsspec.filesystem("s3").mkdir(name)
    return f"s3://{name}"


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
