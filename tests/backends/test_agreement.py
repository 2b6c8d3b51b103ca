"""TensorFlow, JAX and PyTorch compute the same features; each runs in a process of its own."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from featx.cache import FeatureStore

BACKENDS = ("tensorflow", "jax", "torch")
BACKBONES = {
    "efficientnet_lite0": "imagenet",
    "mobilenet_v2": "random:1",
    "densenet121": "random:1",
}
SIDE = 96
TOLERANCE = 1e-4
pytestmark = [pytest.mark.backends, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for i in range(6):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        coarse.resize((120, 100), Image.Resampling.BICUBIC).save(root / f"{i}.png")
    return root


def extract(images, cache, backend, name):
    words = ["extract", images, "--backbone", name, "--weights", BACKBONES[name]]
    words += ["--size", SIDE, "--cache", cache, "--json"]
    words += ["--engine", "keras", "--precision", "float32"]
    run = subprocess.run(
        [sys.executable, "-c", "from featx.cli import main; main()", *map(str, words)],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    stored = FeatureStore(cache)
    assert stored.find().record.engine == f"keras/{backend}"
    return stored.open_features().X[:]


@pytest.mark.parametrize("name", BACKBONES)
def test_backends_agree(images, tmp_path, name):
    missing = [backend for backend in BACKENDS if importlib.util.find_spec(backend) is None]
    assert not missing, f"install {missing} first: make test-backends does"
    found = {backend: extract(images, tmp_path / backend, backend, name) for backend in BACKENDS}
    expected = found["tensorflow"]
    scale = np.abs(expected).max(axis=1, keepdims=True)
    for backend in BACKENDS[1:]:
        assert (np.abs(found[backend] - expected) / scale).max() < TOLERANCE
