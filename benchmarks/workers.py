"""What several workers cost and gain, beside one process on the same cores.

python benchmarks/workers.py overhead|speedup|driver|shards|raydata [--images N] [--photos DIR]

overhead  `--shard` (4 parts and a join), `--devices cpu:1` and `--ray` (one actor; on a Ray that
          runs, and on one that the command starts) against one process, all cores
speedup   two workers of one core each against one worker of one core, `--devices` and `--ray`
driver    seconds and peak memory of handing out and of joining --samples (10,000,000), no inference
shards    opening a cache of --shards (10,000), and the first row
raydata   `--ray` against ray.data.map_batches with the same engine
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from photos import make_photos

from featx.cache import FeatureBatch, FeatureStore, Listing, Manifest, RunRecord, StringColumn
from featx.extractor.images.decode import decode
from featx.extractor.join import join_parts
from featx.extractor.parts import Part
from featx.extractor.plan import FeatureOptions, make_plan
from featx.extractor.run_options import LogObserver
from featx.extractor.sources.source import Contents, ListedSource
from featx.extractor.workers.driver import Driver, cut
from featx.extractor.workers.pool import Answered, Event, Started
from featx.extractor.workers.work import Answer

FEATX = "from featx.cli import main; main()"
ROUNDS = 3
N_ARRAY, N_WARM_UP = 4, 1000
OLD_NS = 1_000_000_000


class Bench:
    """A folder of photographs, and runs of featx over it."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder, self.options = folder, options
        self.photos = make_photos(options.photos or folder / "photos", options.images)
        self._number = 0

    def words(self) -> list[str]:
        """Return the options that all runs share."""
        options = self.options
        weights = () if options.backbone == "efficientnet_lite0" else ("--weights", "random:0")
        return ["--backbone", options.backbone, "--size", str(options.size), *weights]

    def new_cache(self) -> Path:
        """Return the path of a cache that is not there yet."""
        self._number += 1
        return self.folder / f"cache-{self._number}"

    def warm_up(self, *words: str, cores: str = "") -> None:
        """Extract a few: this converts the network, and measures the batch size."""
        folder = self.folder / "few"
        if not folder.exists():
            folder.mkdir()
            for path in sorted(self.photos.rglob("*.jpg"))[:N_WARM_UP]:
                (folder / path.name).symlink_to(path)
        self.run(self.new_cache(), *words, cores=cores, photos=folder)

    def run(self, cache: Path, *words: str, cores: str = "", photos: Path | None = None) -> float:
        """Extract; return the seconds of the whole command."""
        source = str(photos or self.photos)
        command = [sys.executable, "-c", FEATX, "-q", "extract", source, *self.words()]
        pinned = ["taskset", "-c", cores] if cores else []
        start = time.perf_counter()
        subprocess.run(
            [*pinned, *command, "--cache", str(cache), *words],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return time.perf_counter() - start


def medians(ways: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Run all ways in turns; return the median seconds of each, and those of the processor.

    The latter leave out what a Ray does that runs already.
    """
    seconds: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            before = processor_seconds()
            seconds.setdefault(name, []).append(way())
            seconds.setdefault(f"{name}_cpu", []).append(processor_seconds() - before)
    return {name: statistics.median(all_) for name, all_ in seconds.items()}


def processor_seconds() -> float:
    """Return what commands that have ended took of the processor."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def overhead(bench: Bench) -> dict[str, float]:
    def array() -> float:
        cache = bench.new_cache()
        parts = [bench.run(cache, "--shard", f"{k}/{N_ARRAY}") for k in range(1, N_ARRAY + 1)]
        return sum(parts) + bench.run(cache, "--join")

    bench.warm_up()
    with running_ray() as address:
        seconds = medians(
            {
                "one": lambda: bench.run(bench.new_cache()),
                "shard": array,
                "devices": lambda: bench.run(bench.new_cache(), "--devices", "cpu:1"),
                "ray": lambda: bench.run(bench.new_cache(), "--ray", address),
                "ray_started": lambda: bench.run(bench.new_cache(), "--ray"),
            },
            bench.options.rounds,
        )
    for name in ("shard", "devices", "ray", "ray_started"):
        seconds[f"{name}_over_one"] = seconds[name] / seconds["one"]
    return seconds


@contextmanager
def running_ray() -> Iterator[str]:
    """Run a Ray of one node, and yield its address."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    node = {"num_cpus": os.cpu_count(), "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    yield cluster.address
    cluster.shutdown()


def speedup(bench: Bench) -> dict[str, float]:
    bench.warm_up(cores="0")
    seconds = medians(
        {
            "one": lambda: bench.run(bench.new_cache(), "--devices", "cpu:1", cores="0"),
            "devices": lambda: bench.run(bench.new_cache(), "--devices", "cpu:2", cores="0,1"),
            "one_ray": lambda: bench.run(bench.new_cache(), "--ray", cores="0"),
            "ray": lambda: bench.run(bench.new_cache(), "--actors", "2", "--ray", cores="0,1"),
        },
        bench.options.rounds,
    )
    seconds["devices_gain"] = seconds["one"] / seconds["devices"]
    seconds["ray_gain"] = seconds["one_ray"] / seconds["ray"]
    return seconds


class Synthetic(ListedSource):
    """Samples that nobody reads."""

    def __init__(self, n_samples: int) -> None:
        ids = StringColumn.from_strings(f"{i // 1000:06d}/{i:08d}.jpg" for i in range(n_samples))
        none = np.full(n_samples, -1)
        listing = Listing(ids, none, none.astype(np.int8), None, ())
        super().__init__(f"/synthetic/{n_samples}", Contents(listing, "nowhere"))
        self._stamps = np.full((n_samples, 3), OLD_NS)

    def stamps(self) -> Any:
        return self._stamps

    def read(self, index: int) -> bytes:
        raise OSError("nothing is read")


class InstantPool:
    """Workers that answer at once."""

    def __init__(self, n_seats: int) -> None:
        self.n_seats = n_seats
        self._events: deque[Event] = deque()

    def start(self, seat: int) -> None:
        self._events.append(Started(seat, ""))

    def begin(self, seat: int, settled: Any) -> None:
        self._events.append(Answered(seat, Answer("settled")))

    def run(self, seat: int, part: Part) -> None:
        self._events.append(Answered(seat, Answer(part.number)))

    def events(self, seconds: float) -> list[Event]:
        return [self._events.popleft()] if self._events else []

    def waiting(self) -> str:
        return ""

    def close(self, is_interrupted: bool) -> None: ...


def driver(folder: Path, n_samples: int) -> dict[str, float]:
    plan = make_plan(FeatureOptions(backbone="pixels", precision="float32"))
    store, figures = FeatureStore(folder / "cache"), dict[str, float]()
    start = time.perf_counter()
    source = Synthetic(n_samples)
    figures["list_seconds"] = time.perf_counter() - start
    figures["list_peak_mb"] = peak_mb()
    parts = cut(n_samples, 8)
    figures["parts"] = len(parts)
    start = time.perf_counter()
    Driver(InstantPool(8), parts, n_samples, LogObserver()).run()
    figures["hand_out_seconds"] = time.perf_counter() - start
    for part in parts:  # the workers' work, which does not count
        write_part(store, source, plan.spec, part)
    figures["before_join_peak_mb"] = peak_mb()
    start = time.perf_counter()
    (report,) = join_parts(source, [plan], store)
    figures["join_seconds"] = time.perf_counter() - start
    figures["join_peak_mb"] = peak_mb()
    if report.record.n_cached != n_samples:
        sys.exit(f"joined {report.record.n_cached} of {n_samples} samples")
    return figures


def write_part(store: FeatureStore, source: Synthetic, spec: Any, part: Part) -> None:
    subset = part.of(source)
    rng = np.random.default_rng(part.number)
    n_rows = len(subset.listing())
    digests = rng.integers(1, 256, (n_rows, 32), dtype=np.uint8)
    store.write_rows(spec, [FeatureBatch(digests, np.zeros((n_rows, 1), np.float32))])
    now = time.time_ns()
    stamps = subset.stamps()
    store.write_manifest(
        Manifest(subset.name, subset.location, subset.listing(), digests, stamps, now)
    )
    record = RunRecord(subset.name, spec.fingerprint, now, n_rows, n_rows, 0, 0, 1.0, "none")
    store.write_run(replace(record, kind="part"))


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def shards(folder: Path, n_shards: int) -> dict[str, float]:
    spec = make_plan(FeatureOptions(backbone="pixels", precision="float32")).spec
    store, rng = FeatureStore(folder / "cache"), np.random.default_rng(0)
    for _ in range(n_shards):
        digests = rng.integers(1, 256, (16, 32), dtype=np.uint8)
        store.write_rows(spec, [FeatureBatch(digests, rng.random((16, 128), np.float32))])
    start = time.perf_counter()
    opened = store.open_set(spec)
    figures = {"open_seconds": time.perf_counter() - start}
    start = time.perf_counter()
    opened.take(np.array([len(opened) // 2]))
    figures["first_row_seconds"] = time.perf_counter() - start
    start = time.perf_counter()
    opened.take(np.arange(len(opened)))
    figures["all_rows_seconds"] = time.perf_counter() - start
    return figures


class Embed:
    """What ray.data maps: paths to features, with featx' own engine and decoder."""

    def __init__(self, options: FeatureOptions, batch_size: int) -> None:
        self._plan = make_plan(options)
        self._engine = self._plan.build_engine(batch_size)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        from featx.extractor.engines import run_rows

        geometry = [self._plan.geometry]
        images = [decode(Path(path).read_bytes(), geometry)[0] for path in batch["path"]]
        return {"path": batch["path"], "features": run_rows(self._engine, np.stack(images))[0]}


def raydata(bench: Bench) -> dict[str, float]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    options = bench.options
    weights = "imagenet" if options.backbone == "efficientnet_lite0" else "random:0"
    features = FeatureOptions(
        backbone=options.backbone, weights=weights, image_size=options.size, precision="float32"
    )

    def mapped() -> float:
        start = time.perf_counter()
        ray.init(address="local", include_dashboard=False, log_to_driver=False)
        paths = [{"path": str(path)} for path in sorted(bench.photos.rglob("*.jpg"))]
        ray.data.from_items(paths).map_batches(
            Embed, fn_constructor_args=(features, 8), batch_size=64, concurrency=1, num_cpus=2
        ).write_parquet(str(bench.new_cache()))
        ray.shutdown()
        return time.perf_counter() - start

    exact = ("--precision", "float32")
    bench.warm_up(*exact)
    seconds = medians(
        {"core": lambda: bench.run(bench.new_cache(), *exact, "--ray"), "data": mapped},
        options.rounds,
    )
    return {**seconds, "data_over_core": seconds["data"] / seconds["core"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("overhead", "speedup", "driver", "shards", "raydata"))
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--samples", type=int, default=10_000_000)
    parser.add_argument("--shards", type=int, default=10_000)
    parser.add_argument("--photos", type=Path, help="a folder for the photographs, made once")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.what == "driver":
            figures = driver(Path(folder), options.samples)
        elif options.what == "shards":
            figures = shards(Path(folder), options.shards)
        else:
            ways = {"overhead": overhead, "speedup": speedup, "raydata": raydata}
            figures = ways[options.what](Bench(Path(folder), options))
    for name, value in figures.items():
        print(f"{name:24} {value:,.2f}")
    if options.out:
        options.out.write_text(json.dumps({"options": vars(options), **figures}, default=str))


if __name__ == "__main__":
    main()
