"""The studies of ``examples/`` run in a tiny form, by the commands that their pages name."""

from __future__ import annotations

import json
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


def results(folder: Path, cache: str, source: str) -> list[dict]:
    words = ("featx", "results", source, "--split", "test", "--cache", cache, "--json")
    return json.loads(run(folder, *words))["boards"][0]["results"]


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


def test_small_grey_images(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    script = str(EXAMPLES / "grey_images" / "study.py")
    words = ("--per-class", "40", "--side", "32", "--epochs", "20")
    printed = run(tmp_path, sys.executable, script, *words)
    _, by_hand = printed.split("| by hand")
    lines = [line.strip("| ").split(" | ") for line in by_hand.splitlines()[2:]]
    right = {name: float(value) for name, _, value in lines}
    assert len(right) == 14
    worse = ("scaled to 0–1 and kept as bytes", "features of a generator that shuffles")
    assert all(right[name] < right["none"] - 0.2 for name in worse)


def test_dog_breeds(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    makefile = EXAMPLES / "dog_breeds" / "Makefile"
    stand_in = str(makefile.with_name("stand_in.py"))
    run(tmp_path, sys.executable, stand_in, "work/stand-in", "--classes", "5")
    run(tmp_path, "make", "-f", str(makefile), "SIZE=32", "EPOCHS=2")
    measured = results(tmp_path, "work/featx-cache", "work/stand-in")
    trained = {entry["tag"]["name"]: entry["n_trained"] for entry in measured}
    # Each feature has a mean and a deviation as well.
    assert trained["pooled-vgg16"] == trained["dropout-vgg16"] == 2 * 512 + 513 * 5
    assert trained["dense-resnet50"] == 2 * 2048 + 2049 * 512 + 513 * 5
    assert "scratch" in trained


def test_vgg19_flattened(tmp_path: Path) -> None:
    run(tmp_path, "featx", "sample", "photos")
    for folder in (tmp_path / "photos").iterdir():
        for image in sorted(folder.iterdir())[5:]:
            image.unlink()
    script = str(EXAMPLES / "fashion_mnist" / "vgg19.sh")
    run(tmp_path, "sh", script, "photos", "random:0", "1")
    (entry,) = results(tmp_path, "featx-cache", "photos")
    assert entry["n_trained"] == 2 * 8192 + 8193 * 512 + 513 * 10


def test_frozen_layers_on_garments(tmp_path: Path) -> None:
    run(tmp_path, "sh", str(EXAMPLES / "fashion_mnist" / "frozen.sh"))
    best = results(tmp_path, "featx-cache", "photos")[0]
    assert best["metrics"]["accuracy"] > 0.6


def test_tuned_layers_on_garments(tmp_path: Path) -> None:
    run(tmp_path, "featx", "sample", "photos")
    run(tmp_path, "sh", str(EXAMPLES / "fashion_mnist" / "tuned.sh"), "photos", "1", "5")
    table = (tmp_path / "splits.csv").read_text(encoding="utf-8")
    assert table.count(",val\n") == 50
    measured = results(tmp_path, "featx-cache", "photos")
    assert {entry["head"] for entry in measured} == {"finetune", "svm"}
    assert measured[0]["metrics"]["accuracy"] > 0.5
