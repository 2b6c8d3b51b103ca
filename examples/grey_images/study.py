"""855 small grey images in three classes: the mistakes that make a pretrained network look poor.

    python study.py [--work FOLDER] [--per-class 285] [--side 96] [--epochs 30]

Each mistake is made by hand, with Keras, on the images and the split that featx has. Prints the
tables of the README. FOLDER (default: `study`) takes images, cache and models; what lies there is
used again. Needs scikit-image, for the photographs that the images are cut from.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from mistakes import MISTAKES, Study
from PIL import Image

CLASSES = ("brick", "grass", "gravel")
TILE = 30
N_TILES = 17  # a side of a photograph of 512 pixels


def featx(folder: Path, *words: str) -> str:
    """Run a command in the study's folder and return what it printed."""
    print("featx", *words, flush=True)
    command = ["featx", *words]
    done = subprocess.run(command, cwd=folder, check=True, text=True, stdout=subprocess.PIPE)
    return done.stdout


def tiles(photograph: np.ndarray, n: int) -> Iterator[np.ndarray]:
    """Cut tiles that do not overlap, spread over the photograph."""
    for index in np.linspace(0, N_TILES**2 - 1, n).astype(int):
        top, left = TILE * np.array(divmod(index, N_TILES))
        yield photograph[top : top + TILE, left : left + TILE]


def make_images(folder: Path, n: int) -> None:
    """Write the images of each class into a folder of its own."""
    from skimage import data

    for name in CLASSES:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i, tile in enumerate(tiles(getattr(data, name)(), n)):
            Image.fromarray(tile).save(folder / name / f"{name}_{i:03}.png")


def read_study(folder: Path, side: int, epochs: int) -> Study:
    """Read images, classes and featx' split, in the order of the sorted file names."""
    with (folder / "splits.csv").open(encoding="utf-8", newline="") as file:
        lines = sorted(csv.DictReader(file), key=lambda line: line["id"])
    images = [np.asarray(Image.open(folder / "photos" / line["id"])) for line in lines]
    y = np.array([CLASSES.index(line["label"]) for line in lines])
    split = np.array([line["split"] for line in lines])
    return Study(np.stack(images), y, split, side, epochs)


def measure(folder: Path, side: int, epochs: int) -> list[dict]:
    """Let featx do its work; return what it measured on the test images, the best first."""
    featx(folder, "extract", "photos", "--size", str(side))
    featx(folder, "sweep", "--out", "head.featx")
    for network in ("fc", "cnn1"):
        words = ("photos", "--epochs", str(epochs), "--out", f"{network}.featx")
        featx(folder, "baseline", network, *words)
    featx(folder, "split", "export", "splits.csv", "--features", "photos", "--overwrite")
    answer = json.loads(featx(folder, "results", "photos", "--split", "test", "--json"))
    return answer["boards"][0]["results"]


def main(words: list[str] | None = None) -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("study"))
    parser.add_argument("--per-class", type=int, default=285)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=30)
    arguments = parser.parse_args(words)
    make_images(arguments.work / "photos", arguments.per_class)
    results = measure(arguments.work, arguments.side, arguments.epochs)
    print("| with featx | right on test (95 %) | fit s |\n|---|---|---|")
    for result in results:
        value, (low, high) = result["metrics"]["accuracy"], result["intervals"]["accuracy"]
        name = result["name"]
        if result["kind"] != "baseline":
            name = f"{result['backbone']} + {name}"
        print(f"| {name} | {value:.3f} ({low:.3f}–{high:.3f}) | {result['fit_seconds']:.1f} |")
    study = read_study(arguments.work, arguments.side, arguments.epochs)
    print("| by hand | the notebook says | right on test |\n|---|---|---|")
    for name, mistake in MISTAKES.items():
        says, right = mistake(study)
        print(f"| {name} | {says:.3f} | {right:.3f} |", flush=True)


if __name__ == "__main__":
    main()
