"""A million tiny images: is the last tenth as fast as the first, and what does each one cost?

python benchmarks/scale.py [--images 1000000] [--small 10000] [--folder DIR] [--out scale.json]

Tiny PNG files, no two alike, go through MobileNet at 32 pixels with random weights. Reported: the
rate of each tenth of the run, its peak memory beside that of a small run, a second run that finds
everything cached, and `fit`, `cache ls`, `cache verify` and `score` on the result.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from extraction_limits import SMALL, make_small, peak_bytes

N_PARTS = 10
BYTES_AN_IMAGE = 125
CHILD = "extract"


class Clock:
    """An observer that notes the time whenever another part of the images is done."""

    def __init__(self) -> None:
        self.n_images = self.n_done = 0
        self.marks: list[tuple[float, int]] = []

    def begin(self, n_images: int, task: str) -> None:
        """Start the clock."""
        self.n_images = n_images
        self.marks = [(time.perf_counter(), 0)]

    def advance(self, n_images: int) -> None:
        """Note the time at each part's end."""
        self.n_done += n_images
        if self.n_done >= len(self.marks) * self.n_images / N_PARTS:
            self.marks.append((time.perf_counter(), self.n_done))

    def say(self, text: str) -> None:
        """Do nothing."""

    def rates(self) -> list[float]:
        """Return images/s of each part."""
        pairs = zip(self.marks, self.marks[1:], strict=False)
        return [(n - m) / max(end - start, 1e-9) for (start, m), (end, n) in pairs]


def extract(folder: str, cache: str, out: str) -> None:
    """Extract in this process and write the rates, for the process that measures its memory."""
    from featx import FeatureOptions
    from featx.extractor import extract_features

    clock = Clock()
    options = FeatureOptions(backbone="mobilenet", weights="random:0", image_size=32)
    extract_features(folder, options, cache=cache, observer=clock)
    Path(out).write_text(json.dumps(clock.rates()), encoding="utf-8")


def first_run(work: Path, folder: Path, name: str) -> dict[str, Any]:
    """Extract in a process of its own; return its rates, seconds and peak memory."""
    out = work / f"{name}.json"
    words = (CHILD, str(folder), str(work / name), str(out))
    start = time.perf_counter()
    child = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, __file__, *words])
    _, status, usage = os.wait4(child, 0)
    if status:
        sys.exit(f"the extraction of {folder} failed")
    return {
        "images_per_second_of_each_part": json.loads(out.read_text(encoding="utf-8")),
        "seconds": time.perf_counter() - start,
        "peak_bytes": usage.ru_maxrss * 1024,
    }


def commands(work: Path, folder: Path, cache: Path) -> dict[str, dict[str, float]]:
    """Return seconds and peak memory of the commands that follow an extraction."""
    at_cache = ("--cache", str(cache))
    model, scores = str(work / "model.featx"), str(work / "scores.parquet")
    steps = {
        "second run": ("extract", str(folder), *SMALL, *at_cache),
        "fit": ("fit", "--head", "centroid", "--out", model, *at_cache),
        "cache ls": ("cache", "ls", *at_cache),
        "cache verify": ("cache", "verify", *at_cache),
        "score": ("score", model, str(folder), "--weights", "random:0", "--out", scores, *at_cache),
    }
    figures = {}
    for name, words in steps.items():
        n_bytes, seconds = peak_bytes(dict(os.environ), *words)
        figures[name] = {"seconds": seconds, "peak_bytes": n_bytes}
        print(f"{name}: {seconds:.1f} s, {n_bytes / 1e6:.0f} MB", flush=True)
    return figures


def main() -> None:
    """Make the images, run everything, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        work = Path(name)
        few, many = (make_small(work / str(n), n) for n in (options.small, options.images))
        first_run(work, few, "warm-up")  # converts the network, in a process that counts as well
        small = first_run(work, few, "small")
        large = first_run(work, many, "large")
        rates = large["images_per_second_of_each_part"]
        allowed = 1.1 * small["peak_bytes"] + BYTES_AN_IMAGE * options.images
        figures = {
            "n_images": options.images,
            "small": small,
            "large": large,
            "last part / first part": rates[-1] / rates[0],
            "peak memory / allowed": large["peak_bytes"] / allowed,
        }
        print("images/s of each part:", *(f"{rate:.0f}" for rate in rates))
        print(f"last part / first part: {figures['last part / first part']:.2f}")
        print(f"peak memory: {large['peak_bytes'] / 1e6:.0f} MB of {allowed / 1e6:.0f} allowed")
        figures["commands"] = commands(work, many, work / "large")
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == [CHILD]:
        extract(*sys.argv[2:])
    else:
        main()
