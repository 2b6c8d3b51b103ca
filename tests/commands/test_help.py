"""What `featx --help` shows."""

from __future__ import annotations

import re

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
