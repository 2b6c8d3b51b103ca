"""What `featx --help` shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import version

import pytest
from typer.main import get_command

from featx.classifiers.heads.registry import HEADS
from featx.classifiers.selection.metrics import METRICS
from featx.cli import app
from tests_shared import Cli


def test_commands_stand_in_the_groups_of_their_folders(cli: Cli) -> None:
    result = cli("--help")
    assert result.exit_code == 0
    sections = re.findall(r"^(\w+):\n((?:  +\w.*\n)+)", result.stdout, re.MULTILINE)
    shown = {heading: re.findall(r"^  (\w+)  ", text, re.MULTILINE) for heading, text in sections}
    folders: dict[str, list[str]] = {}
    for name, command in get_command(app).commands.items():
        callback = command.callback or next(iter(command.commands.values())).callback
        folder = callback.__module__.split(".")[2]
        folders.setdefault(folder.capitalize(), []).append(name)
    assert {"Features", "Models", "Use"} <= set(shown)
    assert {heading: sorted(names) for heading, names in shown.items() if heading in folders} == {
        heading: sorted(names) for heading, names in folders.items()
    }


def test_options_list_the_entries_of_their_registry(cli: Cli) -> None:
    assert set(HEADS) <= set(re.findall(r"[\w-]+", cli("fit", "--help").stdout))
    assert set(METRICS) <= set(re.findall(r"[\w-]+", cli("sweep", "--help").stdout))


def test_version(cli: Cli) -> None:
    shown = cli("--version")
    assert shown.stdout == f"featx {version('featx')}\n" and shown.stderr == ""


def test_version_says_what_was_built_without_a_compiler(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "featx.extractor.images._resample", None)
    shown = cli("--version")
    assert shown.exit_code == 0 and shown.stdout == f"featx {version('featx')}\n"
    assert "without a C compiler: Pillow resizes images" in shown.stderr
    assert "install featx again" in shown.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands_and_options(shell: str) -> None:
    def completed(line: str) -> str:
        words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        fish = {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}
        return run({**words, **fish, "_TYPER_COMPLETE_ARGS": line}, f"complete_{shell}")

    def run(variables: dict[str, str], instruction: str) -> str:
        environment = {**os.environ, **variables, "_FEATX_COMPLETE": instruction}
        code = "import sys; from featx.cli import main; sys.argv = ['featx']; main()"
        command = [sys.executable, "-c", code]
        return subprocess.run(command, env=environment, capture_output=True, text=True).stdout

    assert "sweep" in completed("featx sw") and "extract" not in completed("featx sw")
    assert "--head" in completed("featx fit --h")
    assert "_FEATX_COMPLETE" in run({}, f"source_{shell}")


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        (("score", "m.featx", "photos", "--unlike-rate", "1%"), "--flag-unlike"),
        (("similar", "a.png", "--source", "photos"), "--html"),
        (("cache", "gc", "--days", "3"), "--networks"),
        (("baseline", "fc", "photos", "--augment-epochs", "3"), "--augment"),
    ],
)
def test_an_option_that_does_nothing_alone_names_the_other(
    cli: Cli, words: tuple[str, ...], needed: str
) -> None:
    result = cli(*words)
    assert result.exit_code == 1 and "add that" in result.stderr and needed in result.stderr
