"""A million tiny images: is the last tenth as fast as the first, and what does each one cost?

python benchmarks/scale.py [--images 1000000] [--small 10000] [--folder DIR] [--out scale.json]

Tiny PNG files, no two alike, go through MobileNet at 32 pixels with random weights. Reported: the
rate of each tenth of the run, its peak memory beside that of a small run, a second run that finds
everything cached, and `fit`, `cache ls`, `cache verify` and `score` on the result. Peak memory is
all that was resident at once, pages of the cache's files included, which the system drops where it
needs the room; beside it stands what the process held itself (RssAnon, read every 10 ms).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from extraction_limits import FEATX, SMALL, make_small
from scoring_memory import anonymous_kb

N_PARTS = 10
BYTES_AN_IMAGE = 125
CHILD = "extract"
PEAKS = ("peak_bytes", "anonymous_bytes")


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
    figures = measured(__file__, CHILD, str(folder), str(work / name), str(out))
    return {"images_per_second_of_each_part": json.loads(out.read_text("utf-8")), **figures}


def measured(*words: str) -> dict[str, float]:
    """Run Python; return its seconds, its peak memory, and the peak of what it held itself."""
    start, anonymous, ended = time.perf_counter(), 0, 0
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL) as child:
        while not ended:
            anonymous = max(anonymous, anonymous_kb(child.pid) * 1024)
            ended, status, usage = os.wait4(child.pid, os.WNOHANG)
            time.sleep(0.01)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{' '.join(words[1:])} failed")
    seconds, peak = time.perf_counter() - start, usage.ru_maxrss * 1024
    return {"seconds": seconds, "peak_bytes": peak, "anonymous_bytes": anonymous}


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
        figures[name] = found = measured("-c", FEATX, *words)
        print(f"{name}: {found['seconds']:.1f} s, {shown(found)}", flush=True)
    return figures


def shown(figures: dict[str, float]) -> str:
    """Return both peaks for people."""
    peak, own = (figures[name] / 1e6 for name in ("peak_bytes", "anonymous_bytes"))
    return f"{peak:.0f} MB, {own:.0f} of its own"


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
        share = BYTES_AN_IMAGE * options.images
        ratios = {kind: large[kind] / (1.1 * small[kind] + share) for kind in PEAKS}
        figures = {
            "n_images": options.images,
            "small": small,
            "large": large,
            "last part / first part": rates[-1] / rates[0],
            "peak memory / allowed": ratios,
        }
        print("images/s of each part:", *(f"{rate:.0f}" for rate in rates))
        print(f"last part / first part: {figures['last part / first part']:.2f}")
        print(f"peak memory: {shown(large)}; of what is allowed:", *ratios.values())
        figures["commands"] = commands(work, many, work / "large")
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == [CHILD]:
        extract(*sys.argv[2:])
    else:
        main()
