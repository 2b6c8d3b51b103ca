"""Two classes: networks trained from scratch beside frozen backbones with one unit, and a sweep.

    python study.py [--photos FOLDER] [--weights imagenet] [--size 96] [--epochs 15] [--work FOLDER]

FOLDER holds two folders of images; without it, two classes of the bundled sample are taken. Prints
the table of the README and writes `roc.svg` into the work folder (default: `study`), which also
takes the images, the cache and the models; what lies there is used again.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_curve

from featx import FeatureStore
from featx.classifiers.comparison.leaderboard import RankedResult, leaderboards, results_of
from featx.classifiers.comparison.source_results import SourceResults
from featx.classifiers.selection.metrics import METRICS

CLASSES = ("Pullover", "Shirt")
SIDE = 360
MOBILENET, LITE0 = "mobilenet_v2", "efficientnet_lite0"
UNIT = ("--head", "logreg")
"""Logistic regression of two classes is one unit with a sigmoid."""
COLOURS = {
    "fc": "#888888",
    "cnn5": "#d95f02",
    "mobilenet_v2 + one unit": "#7570b3",
    "efficientnet_lite0 + one unit": "#1b9e77",
    "efficientnet_lite0 + swept head": "#e7298a",
}


def featx(folder: Path, *words: str) -> str:
    """Run a command in the study's folder and return what it printed."""
    print("featx", *words, flush=True)
    command = ["featx", *words]
    done = subprocess.run(command, cwd=folder, check=True, text=True, stdout=subprocess.PIPE)
    return done.stdout


def make_images(folder: Path) -> None:
    """Write the images of two classes, each into a folder of its own."""
    if (folder / "photos").exists():
        return
    featx(folder, "sample", "all", "--split", "train")
    for name in CLASSES:
        shutil.copytree(folder / "all" / name, folder / "photos" / name)
    shutil.rmtree(folder / "all")


def measure(folder: Path, photos: str, weights: str, size: str, epochs: str) -> None:
    """Train and measure all models of the study."""
    made = {name: ("--name", name, "--overwrite", "--out", out(name)) for name in COLOURS}
    featx(folder, "extract", photos, "--backbone", MOBILENET, "--weights", weights, "--size", size)
    featx(folder, "extract", photos)
    for backbone in (MOBILENET, LITE0):
        featx(folder, "fit", backbone, *UNIT, *made[f"{backbone} + one unit"])
    featx(folder, "sweep", LITE0, *made[f"{LITE0} + swept head"])
    for network in ("fc", "cnn5"):
        words = ("--size", size, "--epochs", epochs, *made[network])
        featx(folder, "baseline", network, photos, *words)


def out(name: str) -> str:
    """Return the model file of a name."""
    return name.replace(" + ", "-").replace(" ", "-") + ".featx"


def curve(source: SourceResults, entry: RankedResult) -> tuple[np.ndarray, np.ndarray]:
    """Return false and true positive rates of the second class on test."""
    predictions = source.predictions(entry.result, "test")
    if predictions is None:
        raise SystemExit(f"{entry.result.id} has no predictions of the test rows")
    false, true, _ = roc_curve(predictions.y, predictions.probabilities[:, 1])
    return false, true


def draw(curves: dict[str, tuple[np.ndarray, np.ndarray]], labels: dict[str, str]) -> str:
    """Return all ROC curves in one SVG."""
    lines = []
    for i, (name, (false, true)) in enumerate(curves.items()):
        points = " ".join(
            f"{40 + x * SIDE:.1f},{20 + (1 - y) * SIDE:.1f}"
            for x, y in zip(false, true, strict=True)
        )
        colour, y = COLOURS[name], SIDE - 90 + 20 * i
        lines += [
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>',
            f'<text x="130" y="{y}" fill="{colour}">{labels[name]}</text>',
        ]
    end = 40 + SIDE
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {end + 20} {SIDE + 60}" '
            'font-family="sans-serif" font-size="13">',
            f'<rect x="40" y="20" width="{SIDE}" height="{SIDE}" fill="none" stroke="#bbb"/>',
            f'<line x1="40" y1="{20 + SIDE}" x2="{end}" y2="20" stroke="#ddd"/>',
            *lines,
            f'<text x="160" y="{SIDE + 45}">false positive rate</text>',
            f'<text transform="translate(25,{SIDE - 80}) rotate(-90)">true positive rate</text>',
            "</svg>\n",
        ]
    )


def row(name: str, entry: RankedResult) -> str:
    """Return a line of the table."""
    scores, cost = entry.scores, entry.cost
    low, high = scores.intervals["auc"]
    accuracy, auc = (scores.metrics[metric] for metric in ("accuracy", "auc"))
    n_parameters = f"{cost.n_parameters:,}" if cost.n_parameters is not None else "–"
    return (
        f"| {name} | {accuracy:.3f} | {auc:.3f} ({low:.3f}–{high:.3f}) | "
        f"{scores.metrics['log_loss']:.3f} | {n_parameters} | {cost.n_trained:,} | "
        f"{cost.fit_seconds:.1f} |"
    )


def main(words: list[str] | None = None) -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--weights", default="random:0")
    parser.add_argument("--size", default="96", help="cnn5 needs 94 pixels")
    parser.add_argument("--epochs", default="15")
    parser.add_argument("--work", type=Path, default=Path("study"))
    given = parser.parse_args(words)
    folder, photos = given.work, "photos"
    folder.mkdir(parents=True, exist_ok=True)
    if given.photos:
        photos = str(given.photos.resolve())
    else:
        make_images(folder)
    measure(folder, photos, given.weights, given.size, given.epochs)
    source = results_of(FeatureStore(folder / "featx-cache"), photos)
    (board, *_) = leaderboards(source, METRICS["auc"], "test")
    named = {entry.result.tag.get("name"): entry for entry in board.entries}
    entries = {name: named[name] for name in COLOURS}
    labels = {name: f"{name}: AUC {e.scores.metrics['auc']:.3f}" for name, e in entries.items()}
    curves = {name: curve(source, entry) for name, entry in entries.items()}
    (folder / "roc.svg").write_text(draw(curves, labels), encoding="utf-8")
    print("| model | accuracy | AUC (95 %) | log loss | parameters | trained | fit s |")
    print("|---|---|---|---|---|---|---|")
    for name, entry in entries.items():
        print(row(name, entry))
    models = map(out, ("fc", "cnn5", f"{LITE0} + one unit"))
    print(featx(folder, "compare", *models, "--metric", "auc"))


if __name__ == "__main__":
    main()
