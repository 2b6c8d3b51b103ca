"""Networks and tails of backbones are trained on every backend; each in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = [
    ROOT / "classifiers" / "baselines",
    ROOT / "classifiers" / "tuning",
    ROOT / "extractor" / "engines" / "keras" / "test_folding.py",
]
CHOSEN = "same_features or whole_network or best_epoch or learner"


@pytest.mark.backends
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_networks_learn_on(backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", *FOLDERS, "-k", CHOSEN],
        env={**os.environ, "KERAS_BACKEND": backend},
        cwd=ROOT.parent,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-3000:]
