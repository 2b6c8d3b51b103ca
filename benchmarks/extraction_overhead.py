"""The processor time of a run against that of its own parts: decoding and the engine, alone.

python benchmarks/extraction_overhead.py [--backbones mobilenet …] [--images 5000] [--repeats 3]
                                         [--out overhead.json]

Parts and run take turns, each in a process of its own. The parts count from their first image, the
run from its start to its end: imports, the compiled network, hashing, batches, the drift of the
first batch, writing, and the manifest are what it spends beyond them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from extraction import Bench, weights_of
from photos import many_photos

BACKBONES = ("efficientnet_lite0", "mobilenet")
SIDE = 224
GOAL = 1.05
SECONDS = 5.0
DECODE, ENGINE = "decode", "engine"


def decode_seconds(folder: str) -> float:
    """Return processor seconds of reading and decoding all files on all cores."""
    from featx.extractor.images.decode import decode
    from featx.extractor.images.geometry import Geometry
    from featx.extractor.machine.hardware import n_usable_cores

    paths, geometry = sorted(Path(folder).rglob("*.jpg")), [Geometry(SIDE, SIDE)]

    def decoded(path: Path) -> None:
        decode(path.read_bytes(), geometry)

    with ThreadPoolExecutor(n_usable_cores()) as executor:
        list(executor.map(decoded, paths[:8]))
        start = time.process_time()
        list(executor.map(decoded, paths))
        return time.process_time() - start


def engine_seconds(backbone: str, precision: str, batch_size: str) -> float:
    """Return processor seconds of an image in the engine, from pixels in memory."""
    import numpy as np

    from featx.extractor.plan import FeatureOptions, make_plan

    options = FeatureOptions(
        backbone=backbone, weights=weights_of(backbone), precision=precision, image_size=SIDE
    )
    engine = make_plan(options).build_engine(int(batch_size))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (engine.batch_size, SIDE, SIDE, 3), np.uint8)
    engine.run(images)
    n_done, start, end = 0, time.process_time(), time.perf_counter() + SECONDS
    with ThreadPoolExecutor(engine.n_parallel) as executor:
        while time.perf_counter() < end:
            n_done += len(list(executor.map(engine.run, [images] * 4 * engine.n_parallel)))
    return (time.process_time() - start) / (n_done * engine.batch_size)


def part(bench: Bench, *words: str) -> float:
    """Run a part in a process of its own."""
    return float(bench.seconds(sys.executable, __file__, *words)[1])


def measure(bench: Bench, backbone: str, n_images: int, repeats: int) -> dict[str, list[float]]:
    """Return processor seconds of runs and of their parts, after a run that converts."""
    _, report = bench.featx(backbone)
    precision = report["notes"]["precision"].partition(":")[0]
    batch_size = str(report["notes"]["batch_size"])
    print(f"{backbone}: {precision}, batch {batch_size}", flush=True)
    seconds: dict[str, list[float]] = {"run": [], DECODE: [], ENGINE: [], "run / parts": []}
    for _ in range(repeats):
        bench.featx(backbone)
        run = bench.cpu_seconds
        decode = part(bench, DECODE, str(bench.folder))
        engine = n_images * part(bench, ENGINE, backbone, precision, batch_size)
        figures = (run, decode, engine, run / (decode + engine))
        for values, value in zip(seconds.values(), figures, strict=True):
            values.append(value)
    return seconds


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--backbones", nargs="+", default=BACKBONES)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as work:
        photos = many_photos(Path(work) / "photos", options.images)
        bench = Bench(photos, Path(work))
        for backbone in options.backbones:
            figures[backbone] = measure(bench, backbone, options.images, options.repeats)
            medians = {name: statistics.median(v) for name, v in figures[backbone].items()}
            print(*(f"{name} {value:.2f}" for name, value in medians.items()), f"(goal {GOAL})")
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == [DECODE]:
        print(decode_seconds(sys.argv[2]))
    elif sys.argv[1:2] == [ENGINE]:
        print(engine_seconds(*sys.argv[2:]))
    else:
        main()
