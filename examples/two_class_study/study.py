"""Two classes of the bundled sample: a frozen backbone beside networks trained from scratch.

    python study.py [FOLDER]

Writes `roc.svg` beside this file and prints the table of its README. FOLDER (default: `study`)
takes the images, the cache and the models; what lies there is used again.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_curve

from featx import FeatureStore
from featx.classifiers.comparison.leaderboard import RankedResult, leaderboards, results_of
from featx.classifiers.comparison.source_results import SourceResults
from featx.classifiers.selection.metrics import METRICS

CLASSES = ("Pullover", "Shirt")
SIZE = "96"  # cnn5 halves its maps five times and needs 94 pixels
COLOURS = {"fc": "#888888", "cnn5": "#d95f02", "head": "#1b9e77"}
SIDE = 360


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


def best_entries(source: SourceResults) -> dict[str, RankedResult]:
    """Return the results that were measured on test: both networks and the best head."""
    (board,) = leaderboards(source, METRICS["auc"], "test")
    entries = {e.result.name: e for e in board.entries if e.result.kind == "baseline"}
    heads = [e for e in board.entries if e.result.kind != "baseline"]
    return {"fc": entries["fc"], "cnn5": entries["cnn5"], "head": heads[0]}


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
        colour, y = COLOURS[name], SIDE - 50 + 20 * i
        lines += [
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>',
            f'<text x="200" y="{y}" fill="{colour}">{labels[name]}</text>',
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


def main() -> None:
    """Run the study."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "study")
    folder.mkdir(exist_ok=True)
    make_images(folder)
    featx(folder, "extract", "photos")
    featx(folder, "sweep", "--out", "head.featx")
    for network in ("fc", "cnn5"):
        featx(folder, "baseline", network, "photos", "--size", SIZE, "--out", f"{network}.featx")
    source = results_of(FeatureStore(folder / "featx-cache"), "photos")
    entries = best_entries(source)
    head = entries["head"].result
    names = {"fc": "fc", "cnn5": "cnn5", "head": f"{head.backbone} + {head.name}"}
    labels = {k: f"{names[k]}: AUC {e.scores.metrics['auc']:.3f}" for k, e in entries.items()}
    curves = {name: curve(source, entry) for name, entry in entries.items()}
    (Path(__file__).parent / "roc.svg").write_text(draw(curves, labels), encoding="utf-8")
    print("| model | accuracy | AUC (95 %) | log loss | parameters | trained | fit s |")
    print("|---|---|---|---|---|---|---|")
    for name, entry in entries.items():
        print(row(names[name], entry))
    print(featx(folder, "compare", "fc.featx", "cnn5.featx", "head.featx", "--metric", "auc"))


if __name__ == "__main__":
    main()
