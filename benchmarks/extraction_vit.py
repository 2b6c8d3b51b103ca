"""ViT-B/16 in a file against PyTorch in bfloat16, whole command to whole command, in turns.

python tests/data/graphs/make.py FOLDER --full        (where torch and transformers are)
python benchmarks/extraction_vit.py FOLDER/vit --torch-python PYTHON [--images 300] [--repeats 3]
                                    [--out vit.json]

featx runs once before it is timed: the conversion is kept on the machine. Rates of both engines
alone, on pixels in memory, are taken in the same turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from extraction import HERE, Bench
from photos import make_photos

PEER = str(HERE / "peer_vit.py")
GOAL = 1.5
SECONDS = "10"


def measure(bench: Bench, model: str, n_images: int, repeats: int) -> dict[str, list[float]]:
    """Return images/s of whole commands and engines, and images per processor second."""
    seconds, report = bench.featx(model)
    precision = report["notes"]["precision"].partition(":")[0]
    batch = str(report["notes"]["batch_size"])
    print(f"first run, conversion included: {seconds:.1f} s; {precision}, batch {batch}")
    out = str(bench.work / "peer.npy")
    rates: dict[str, list[float]] = {}
    for _ in range(repeats):
        taken, _ = bench.seconds(bench.torch_python, PEER, str(bench.folder), str(n_images), out)
        if np.load(out).shape != (n_images, 768):
            sys.exit("the peer did not see every image")
        rates.setdefault("torch", []).append(n_images / taken)
        rates.setdefault("torch, processor", []).append(n_images / bench.cpu_seconds)
        taken, _ = bench.featx(model)
        rates.setdefault("featx", []).append(n_images / taken)
        rates.setdefault("featx, processor", []).append(n_images / bench.cpu_seconds)
        alone = bench.seconds(bench.torch_python, PEER, "--alone", SECONDS)[1]
        rates.setdefault("torch alone", []).append(float(alone))
        words = (model, "imagenet", precision, SECONDS, batch)
        alone = bench.seconds(sys.executable, str(HERE / "engine_alone.py"), *words)[1]
        rates.setdefault("featx alone", []).append(float(alone))
    return rates


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--torch-python", default=sys.executable)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("benchmark-photos"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    make_photos(options.folder, options.images)
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(options.folder, Path(work), options.torch_python)
        rates = measure(bench, options.model, options.images, options.repeats)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for name, rate in medians.items():
        print(f"  {name}: {rate:.2f} images/s")
    ratios = {
        "whole command": medians["featx"] / medians["torch"],
        "images per processor second": medians["featx, processor"] / medians["torch, processor"],
        "engine alone": medians["featx alone"] / medians["torch alone"],
    }
    for name, ratio in ratios.items():
        print(f"  {name}: {ratio:.2f} times PyTorch (goal {GOAL})")
    if options.out:
        data = {"images": options.images, "rates": rates, "ratios": ratios, "goal": GOAL}
        options.out.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
