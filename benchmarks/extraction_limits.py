"""What an extraction costs beside inference: several backbones, memory, cached runs, start-up.

python benchmarks/extraction_limits.py several|memory|cached|start [--folder DIR] [--out FILE.json]

several  two backbones in one run against the sum of each engine's seconds alone
memory   peak memory of a run over 1,000 and over 100,000 small images
cached   a run over 10,000 files of which every feature is cached, and `featx --help`
start    seconds from the command to its first batch, with the model converted
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from extraction import FEATX, Bench
from photos import make_photos
from PIL import Image

SMALL = ("--backbone", "mobilenet", "--weights", "random:0", "--size", "32")
SIDE = 32
RACY_SECONDS = 2.5
PAIR = ("mobilenet", "resnet50")
REPEATS = 3


def make_small(folder: Path, n_images: int) -> Path:
    """Write tiny PNG files, no two alike, a thousand to a folder."""
    rng = np.random.default_rng(0)
    for number in range(n_images):
        place = folder / f"{number // 1000:03d}" / f"{number:06d}.png"
        if number % 1000 == 0:
            place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(place, compress_level=0)
    return folder


def peak_bytes(env: dict[str, str], *words: str) -> tuple[int, float]:
    """Run featx; return its peak resident memory and its seconds."""
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", FEATX, *words], env=env, stdout=subprocess.DEVNULL
    ) as child:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"featx {' '.join(words)} failed")
    return usage.ru_maxrss * 1024, time.perf_counter() - start


def several(bench: Bench) -> dict[str, float]:
    """Both backbones at once against inference alone of each."""
    ratios = []
    weights = ("--weights", "random:0", "--precision", "bfloat16")
    n_images = len(list(bench.folder.rglob("*.jpg")))
    bench.featx(PAIR[0], "--backbone", PAIR[1], *weights)
    for _ in range(REPEATS):
        taken, report = bench.featx(PAIR[0], "--backbone", PAIR[1], *weights)
        batch = int(report["notes"]["batch_size"])
        alone = sum(n_images / bench.engine(name, "bfloat16", batch) for name in PAIR)
        ratios.append((taken / alone, report["seconds"] / alone))
    command, run = (statistics.median(column) for column in zip(*ratios, strict=True))
    return {"command / inference alone": command, "run / inference alone": run}


def memory(bench: Bench) -> dict[str, float]:
    """Peak memory of a small and a large run."""
    peaks = {}
    for n_images in (1000, 100_000):
        folder = make_small(bench.work / f"small{n_images}", n_images)
        for attempt in range(2):
            shutil.rmtree(bench.work / "cache", ignore_errors=True)
            words = ("extract", str(folder), *SMALL, "--precision", "float32")
            where = ("--cache", str(bench.work / "cache"), "--batch-size", "16", "--json")
            if attempt or n_images > 1000:
                peaks[n_images], _ = peak_bytes(bench.env, *words, *where)
                break
            bench.seconds(sys.executable, "-c", FEATX, *words, *where)
    few, many = peaks[1000], peaks[100_000]
    return {"MB, 1,000 images": few / 1e6, "MB, 100,000 images": many / 1e6, "ratio": many / few}


def cached(bench: Bench) -> dict[str, float]:
    """A run that finds everything, and the help."""
    folder = make_small(bench.work / "small", 10_000)
    time.sleep(RACY_SECONDS)
    words = ("extract", str(folder), *SMALL, "--cache", str(bench.work / "cache"))
    bench.seconds(sys.executable, "-c", FEATX, *words)
    runs = [bench.seconds(sys.executable, "-c", FEATX, *words)[0] for _ in range(5)]
    helps = [bench.seconds(sys.executable, "-c", FEATX, "--help")[0] for _ in range(5)]
    return {"cached run s": statistics.median(runs), "--help s": statistics.median(helps)}


def start(bench: Bench) -> dict[str, float]:
    """Whole commands over sixteen images: start-up, one batch, writing."""
    found = {}
    sixteen = make_photos(bench.work / "sixteen", 16)
    for name in ("efficientnet_lite0", "mobilenet", "resnet50", "vgg19"):
        small = Bench(sixteen, bench.work)
        precision = ("--precision", "bfloat16")
        small.featx(name, *precision)
        found[f"{name} s"] = statistics.median(small.featx(name, *precision)[0] for _ in range(3))
    return found


TASKS = {"several": several, "memory": memory, "cached": cached, "start": start}


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--folder", type=Path, default=Path("benchmark-photos"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.task == "several":
        make_photos(options.folder, options.images)
    with tempfile.TemporaryDirectory() as work:
        found = TASKS[options.task](Bench(options.folder, Path(work)))
    for name, value in found.items():
        print(f"{name}: {value:.2f}")
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
