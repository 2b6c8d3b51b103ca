"""The README's examples, run as they stand."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests_shared import Cli

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
MARKED = re.compile(r"<!-- executed by [^>]*-->\n```(\w+)\n(.*?)```", re.DOTALL)


def blocks(kind: str) -> list[str]:
    return [text for found, text in MARKED.findall(README) if found == kind]


def test_the_readme_has_examples_to_run() -> None:
    assert len(blocks("console")) >= 1 and len(blocks("python")) >= 1


def test_examples(cli: Cli, tmp_path: Path) -> None:
    for text in blocks("console"):
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            assert words[0] == "featx"
            result = cli(*words[1:])
            assert result.exit_code == 0, f"{line}: {result.output}"
    with (tmp_path / "predictions.csv").open() as file:
        assert sum(1 for _ in file) == 501
    for text in blocks("python"):
        ran = subprocess.run(
            [sys.executable, "-c", text], capture_output=True, text=True, cwd=tmp_path
        )
        assert ran.returncode == 0, ran.stderr
        assert float(ran.stdout.split()[-1]) > 0.7


@pytest.mark.parametrize("word", sorted(set(re.findall(r"^\| `featx (\w+)", README, re.MULTILINE))))
def test_every_command_that_the_readme_lists_exists(cli: Cli, word: str) -> None:
    assert cli(word, "--help").exit_code == 0


def test_every_metric_is_in_the_readme() -> None:
    from featx.classifiers.selection.metrics import METRICS

    assert set(METRICS) <= set(re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE))


def test_dependencies_in_the_readme_are_those_of_the_package() -> None:
    from importlib.metadata import requires

    declared = {
        re.split(r"[ ;]", line)[0].replace(">=", " ≥ ")
        for line in requires("featx") or []
        if "extra ==" not in line
    }
    listed = set(re.findall(r"[\w-]+ ≥ [\d.]+", README))
    assert {d.lower() for d in declared} <= {name.lower() for name in listed}
