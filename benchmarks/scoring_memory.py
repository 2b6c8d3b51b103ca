"""What a scoring run holds in memory as its input grows, and what a kill costs it.

python benchmarks/scoring_memory.py --work DIR [--rows 100000 2000000] [--features 64]

DIR needs 0.4 kB a row and is emptied at the end. A process of its own scores cached rows; its
anonymous memory (what it holds itself, without the mapped files that the system may drop) is read
every 10 ms. Then the largest run is killed with SIGKILL at three quarters of its time and started
again: its predictions must equal those of the run that was left alone, byte for byte.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from scoring import linear_model, write_rows

import featx

SCORE = """
import sys, featx
model, cache, out = sys.argv[1:]
report = featx.score(featx.load_model(model), "features:", out, cache=cache)
print(report.n_samples, report.n_resumed)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 2_000_000])
    parser.add_argument("--features", type=int, default=64)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    try:
        print(json.dumps(measure(options), indent=1))
    finally:
        shutil.rmtree(options.work, ignore_errors=True)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Score each number of rows; kill and resume the last."""
    model = linear_model(options.features)
    featx.save_model(model, options.work / "model.featx")
    runs = []
    for n_rows in options.rows:
        cache = options.work / f"rows-{n_rows}"
        sizes = argparse.Namespace(rows=n_rows, features=options.features)
        write_rows(featx.FeatureStore(cache), model.spec, sizes)
        runs.append({"rows": n_rows, **run(options.work, cache, "whole.parquet")})
    killed = run(options.work, cache, "killed.parquet", 0.75 * runs[-1]["seconds"])
    resumed = run(options.work, cache, "killed.parquet")
    whole = (options.work / "whole.parquet").read_bytes()
    return {
        "runs": runs,
        "killed_after_seconds": killed["seconds"],
        "resumed": resumed,
        "equal": (options.work / "killed.parquet").read_bytes() == whole,
    }


def run(work: Path, cache: Path, out: str, kill_after: float | None = None) -> dict[str, Any]:
    """Score in a process of its own; return its seconds, peak memory and what it resumed."""
    words = [sys.executable, "-c", SCORE, str(work / "model.featx"), str(cache), str(work / out)]
    start, peak = time.perf_counter(), 0
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            peak = max(peak, anonymous_kb(process.pid))
            if kill_after and time.perf_counter() - start > kill_after:
                process.kill()
            time.sleep(0.01)
        printed = process.communicate()[0].split()
    return {
        "seconds": round(time.perf_counter() - start, 2),
        "peak_anonymous_mb": round(peak / 1000, 1),
        "rows_resumed": int(printed[1]) if printed else None,
    }


def anonymous_kb(pid: int) -> int:
    """Return the anonymous memory of a process in kB; 0 where it has ended."""
    try:
        found = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) if found else 0


if __name__ == "__main__":
    main()
