"""Notes on standard error: as text, as JSON lines, more of them or fewer."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

import featx
from featx.commands.logs import LOGGER, notes_first
from tests_shared import CHEAP, Cli


@pytest.fixture
def as_a_library() -> Iterator[None]:
    """The logger as it is where no command line configured it."""
    handlers, LOGGER.handlers = LOGGER.handlers, []
    level, propagate = LOGGER.level, LOGGER.propagate
    LOGGER.setLevel(logging.NOTSET)
    LOGGER.propagate = True
    yield
    LOGGER.handlers, LOGGER.propagate = handlers, propagate
    LOGGER.setLevel(level)


@pytest.mark.parametrize(
    ("typed", "sorted_words"),
    [
        (["extract", "-q", "photos"], ["-q", "extract", "photos"]),
        (["score", "m", "s", "--log-format", "json"], ["--log-format", "json", "score", "m", "s"]),
        (["fit", "--log-format=json", "-v"], ["--log-format=json", "-v", "fit"]),
        (["extract", "--", "-q"], ["extract", "--", "-q"]),
        (["extract", "--log-format"], ["--log-format", "extract"]),
    ],
)
def test_options_for_notes_stand_anywhere(typed: list[str], sorted_words: list[str]) -> None:
    assert notes_first(typed) == sorted_words


def test_json_lines(cli: Cli, photos: Path) -> None:
    (photos / "red" / "bad.png").write_bytes(b"")
    result = cli("extract", photos, *CHEAP, "--log-format", "json", "--json", "-v")
    assert result.exit_code == 0
    records = [json.loads(line) for line in result.stderr.splitlines()]
    assert all({"time", "level", "logger", "message"} <= set(record) for record in records)
    assert {"debug", "info"} <= {record["level"] for record in records}
    assert any(record["message"].startswith("Source: ") for record in records)
    assert any(record.get("total") == 25 and record["done"] == 0 for record in records)
    assert json.loads(result.stdout)["n_bad"] == 1


def test_errors_are_json_lines_too(cli: Cli) -> None:
    result = cli("fit", "--log-format", "json")
    (line,) = result.stderr.splitlines()
    record = json.loads(line)
    assert (record["level"], record["exit_code"]) == ("error", 1) and result.exit_code == 1


def test_quiet_leaves_warnings_and_errors(cli: Cli, photos: Path) -> None:
    assert "Source: " in cli("extract", photos, *CHEAP).stderr
    assert cli("extract", photos, *CHEAP, "-q").stderr == ""
    assert cli("-q", "extract", "absent").stderr.startswith("featx: ")


def test_the_environment_names_the_form(
    cli: Cli, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEATX_LOG_FORMAT", "json")
    first = cli("extract", photos, *CHEAP).stderr.splitlines()[0]
    assert json.loads(first)["message"].startswith("Source: ")


@pytest.mark.usefixtures("as_a_library")
def test_python_hears_through_logging(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "featx")
    options = featx.FeatureOptions(backbone="mobilenet", weights="random:0", image_size=32)
    featx.extract(photos, options, cache=tmp_path / "cache")
    assert {record.name for record in caplog.records} >= {"featx", "featx.extractor.pipeline.stage"}
    assert any("batches of" in record.getMessage() for record in caplog.records)
