"""Dense heads learn on every backend; each runs in a process of its own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = Path(__file__).parents[1] / "classifiers" / "heads" / "dense" / "test_keras_networks.py"
CHOSEN = "own_layers or does_not_run or diverges"


@pytest.mark.backends
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_dense_heads_learn_on(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", SUITE, "-k", CHOSEN],
        env={**os.environ, "KERAS_BACKEND": backend},
        cwd=SUITE.parents[4],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-3000:]
