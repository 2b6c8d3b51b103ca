"""What `featx --help` shows."""

from __future__ import annotations

import re

from featx.classifiers.heads.registry import HEADS
from featx.classifiers.selection.metrics import METRICS
from tests_shared import Cli


def test_commands_stand_in_the_groups_of_their_folders(cli: Cli) -> None:
    result = cli("--help")
    assert result.exit_code == 0 and "\nCommands:" not in result.stdout
    sections = re.findall(r"^(Features|Models|Use):\n((?:  .*\n)+)", result.stdout, re.MULTILINE)
    names = {heading: re.findall(r"^  (\w+)  ", text, re.MULTILINE) for heading, text in sections}
    assert list(names) == ["Features", "Models", "Use"]
    assert names["Features"] == ["extract", "backbones", "doctor", "sample", "cache"]
    assert names["Models"] == ["fit", "sweep"] and names["Use"] == ["score", "export", "model"]


def test_options_list_the_entries_of_their_registry(cli: Cli) -> None:
    assert set(HEADS) <= set(re.findall(r"[\w-]+", cli("fit", "--help").stdout))
    assert set(METRICS) <= set(re.findall(r"[\w-]+", cli("sweep", "--help").stdout))
