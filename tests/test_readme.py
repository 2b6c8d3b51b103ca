"""The README's tour, run as it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from docs_shared import README, blocks
from tests_shared import Cli


def test_tour(cli: Cli, tmp_path: Path) -> None:
    commands = [
        words
        for block in blocks(README, "console")
        if not block.reason
        for words in block.commands()
    ]
    assert len(commands) >= 4
    for words in commands:
        result = cli(*words[1:])
        assert result.exit_code == 0, f"{words}: {result.output}"
    with (tmp_path / "predictions.csv").open() as file:
        assert sum(1 for _ in file) == 501
    for block in blocks(README, "python"):
        ran = subprocess.run(
            [sys.executable, "-c", block.text], capture_output=True, text=True, cwd=tmp_path
        )
        assert ran.returncode == 0, ran.stderr
        assert float(ran.stdout.split()[-1]) > 0.7
