"""`featx config` says what is set, and by whom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests_shared import Cli

TOML = 'source = "photos"\nworkers = 2\n[fit]\nhead = "svm"\nepochs = 9\n'


def settings(cli: Cli, *words: str) -> dict[str, tuple[Any, str]]:
    result = cli("config", *words, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["settings"]
    return {f"{s['command']} {s['option']}": (s["value"], s["origin"]) for s in found}


def test_each_value_has_its_origin(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "featx.toml").write_text(TOML)
    monkeypatch.setenv("FEATX_CACHE", "/elsewhere")
    found = settings(cli, "fit", "photos", "--epochs", "3")
    assert found["fit FEATURES"] == ("photos", "option")
    assert found["fit --epochs"] == (3, "option")
    assert found["fit --head"] == ("svm", "featx.toml")
    assert found["fit --cache"] == ("/elsewhere", "FEATX_CACHE")
    assert found["fit --seed"] == (0, "default")
    assert found["fit --memory"] == (None, "default")


def test_without_a_command_all_that_is_set_is_listed(cli: Cli, tmp_path: Path) -> None:
    assert settings(cli) == {}
    (tmp_path / "featx.toml").write_text(TOML)
    found = settings(cli)
    assert found["extract SOURCE"] == (["photos"], "featx.toml")
    assert found["fit --head"] == ("svm", "featx.toml")
    assert {origin for _, origin in found.values()} == {"featx.toml"}


def test_commands_of_a_group_and_what_is_missing(cli: Cli) -> None:
    assert {"cache ls --cache", "cache gc --yes"} <= set(settings(cli, "cache"))
    assert set(settings(cli, "cache", "ls")) == {"cache ls --cache"}
    assert settings(cli, "score")["score MODEL"] == (None, "default")


@pytest.mark.parametrize("words", [["nothing"], ["fit", "--haed"], ["cache", "nothing"]])
def test_unknown_commands_and_options_are_wrong_usage(cli: Cli, words: list[str]) -> None:
    assert cli("config", *words).exit_code == 2


def test_the_drawing_fits_a_terminal(cli: Cli, tmp_path: Path) -> None:
    assert "No option is set" in cli("config").stdout
    (tmp_path / "featx.toml").write_text(TOML)
    lines = cli("config").stdout.splitlines()
    assert lines[0] == f"featx.toml: {tmp_path / 'featx.toml'}"
    assert "fit       --head     svm     featx.toml" in [line.rstrip() for line in lines]
