"""The default sweep where classes are many: 8,351 rows × 2,048 numbers in 133 of them.

python benchmarks/sweep_many_classes.py [--repeats 3] [--distance 0.15] [--out sweep.json]

That is the size of the well-known dog breeds in ResNet50's features; here, each class is a centre
with noise of unit variance around it, `--distance` times as far away as a draw of unit variance.
Rows are split as a user's are, 64 % to learn from. `featx sweep` runs as a whole command, each time
with a cache that has no results yet. Printed: its seconds by the wall clock and of the processor,
and what each head's fits took in the median run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from solver_heads import by_head, featx, timed
from solver_panel import clusters

SHAPE = (8351, 2048, 133)


def main() -> None:
    """Import the features, sweep them several times, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--distance", type=float, default=0.15)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        X, y, _ = clusters(*SHAPE, options.distance)
        np.savez(work / "features.npz", X=X, y=y)
        featx("cache", "import", str(work / "features.npz"), "--cache", str(work / "features"))
        runs = [swept(work) for _ in range(options.repeats)]
    runs.sort(key=lambda run: run["seconds"])
    median = runs[len(runs) // 2]
    print(json.dumps(median, indent=1))
    if options.out:
        figures = {"shape": SHAPE, "distance": options.distance, "runs": runs}
        options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def swept(work: Path) -> dict[str, Any]:
    """Sweep a copy of the cache; return the seconds, the winner and the heads."""
    shutil.copytree(work / "features", work / "cache")
    words = ("--cache", str(work / "cache"), "--out", str(work / "model.featx"), "--json")
    before = os.times()
    seconds, text = timed(lambda: featx("sweep", *words))
    after, report = os.times(), json.loads(text)
    (work / "model.featx").unlink()
    shutil.rmtree(work / "cache")
    best = report["leaderboard"][0]["measured"]["scores"]
    used = [end - start for start, end in zip(before[2:4], after[2:4], strict=True)]
    run = {
        "seconds": seconds,
        "processor_seconds": sum(used),
        "winner": {name: best[name] for name in ("head", "params", "metrics")},
        "heads": by_head(report),
    }
    print(f"{seconds:.1f} s, {run['processor_seconds']:.1f} of the processor", flush=True)
    return run


if __name__ == "__main__":
    main()
