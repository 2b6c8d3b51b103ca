"""The studies of ``examples/`` run in a tiny form, by the commands that their pages name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = pytest.mark.long


def run(folder: Path, *words: str) -> str:
    """Run a recipe in a folder, with this Python's commands first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(words, cwd=folder, env={**os.environ, "PATH": path}, text=True, stdout=-1)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_two_classes(tmp_path: Path) -> None:
    script = str(EXAMPLES / "two_class_study" / "study.py")
    printed = run(tmp_path, sys.executable, script, "--epochs", "1")
    for name in ("fc", "cnn5", "mobilenet_v2 + one unit", "efficientnet_lite0 + swept head"):
        assert f"| {name} | 0." in printed
    assert (tmp_path / "study" / "roc.svg").read_text().count("<polyline") == 5
    # A folder of one's own is read where it lies.
    photos = tmp_path / "study" / "photos"
    words = ("--photos", str(photos), "--work", "other", "--epochs", "1")
    assert "| fc | 0." in run(tmp_path, sys.executable, script, *words)
