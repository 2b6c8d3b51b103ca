"""Extraction against the Keras and the PyTorch recipe, whole command to whole command, in one run.

python benchmarks/extraction.py [--backbones resnet50 …] [--images 1000] [--peer-images vgg19=200]
                                [--repeats 1] [--torch-python PYTHON] [--out extraction.json]

Keras' published weights need the network; `random:0` weights of the same architecture cost the same
time, so they stand in for all but the embedded backbone. Peer and featx take turns, so that a noisy
machine disturbs both alike. Ratios compare images/s of whole commands, start-up included; the peer
may run on fewer images (--peer-images), which flatters neither: its start-up is measured on one
image and counted once in both. Images per processor second say the same where both fill all cores,
and hardly change when other programs run beside them.

PyTorch's recipe (bfloat16, channels last, DataLoader) runs where the interpreter of --torch-python,
by default this one, has PyTorch.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from photos import make_photos

HERE = Path(__file__).resolve().parent
BACKBONES = ("efficientnet_lite0", "mobilenet", "resnet50", "vgg19")
FEATX = "import sys; sys.argv[0] = 'featx'; from featx.cli import main; main()"
KERAS, TORCH = "peer_keras.py", "peer_torch.py"
TORCH_BACKBONES = ("mobilenet", "resnet50", "vgg19")
TORCH_GOAL = 2.5
GOALS = {"efficientnet_lite0": 6.0, "mobilenet": 6.0, "resnet50": 4.0, "vgg19": 4.0}


@dataclass
class Figures:
    """What was measured of one backbone; rates in images/s, lists have one entry a repeat."""

    backbone: str
    n_images: int
    n_peer_images: int
    peer: list[float] = field(default_factory=list)
    auto: list[float] = field(default_factory=list)
    float32: list[float] = field(default_factory=list)
    engine_auto: list[float] = field(default_factory=list)
    peer_cpu: list[float] = field(default_factory=list)
    torch: list[float] = field(default_factory=list)
    torch_cpu: list[float] = field(default_factory=list)
    auto_cpu: list[float] = field(default_factory=list)
    float32_cpu: list[float] = field(default_factory=list)
    first_seconds: float = 0.0
    precision: str = ""
    bottleneck: str = ""

    def add_peer(self, recipe: str, rate: float, rate_of_cpu: float) -> None:
        """Keep what one run of a peer's recipe gave."""
        rates, rates_of_cpu = (
            (self.torch, self.torch_cpu) if recipe == TORCH else (self.peer, self.peer_cpu)
        )
        rates.append(rate)
        rates_of_cpu.append(rate_of_cpu)

    def ratios(self) -> dict[str, float]:
        """Return the figures that the goals are about, each of medians."""
        peer, auto = statistics.median(self.peer), statistics.median(self.auto)
        against_torch = {}
        if self.torch:
            against_torch = {
                "auto / torch": auto / statistics.median(self.torch),
                "auto / torch, images per processor second": _ratio(self.auto_cpu, self.torch_cpu),
            }
        return {
            **against_torch,
            "auto / peer": auto / peer,
            "float32 / peer": statistics.median(self.float32) / peer,
            "auto / engine alone": auto / statistics.median(self.engine_auto),
            "auto / peer, images per processor second": _ratio(self.auto_cpu, self.peer_cpu),
            "float32 / peer, images per processor second": _ratio(self.float32_cpu, self.peer_cpu),
        }


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(ours) / statistics.median(theirs)


class Bench:
    """One folder of photographs, one folder for everything that is written."""

    def __init__(self, folder: Path, work: Path, torch_python: str = "") -> None:
        self.folder, self.work, self.torch_python = folder, work, torch_python
        self.env = {**os.environ, "FEATX_HOME": str(work / "home")}
        self.cpu_seconds = 0.0

    def seconds(self, *command: str) -> tuple[float, str]:
        """Run a command; return its seconds and what it wrote; keeps its processor seconds."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, env=self.env, check=False)
        taken = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
        return taken, done.stdout

    def featx(self, backbone: str, *more: str, cache: str = "") -> tuple[float, dict]:
        """Extract with featx into a fresh cache."""
        place = self.work / (cache or "cache")
        if not cache:
            shutil.rmtree(place, ignore_errors=True)
        words = ("extract", str(self.folder), "--backbone", backbone, "--cache", str(place))
        code = ("-c", FEATX, *words, "--weights", weights_of(backbone), "--json", *more)
        taken, text = self.seconds(sys.executable, *code)
        return taken, json.loads(text)

    def peer(self, backbone: str, n_images: int, recipe: str = KERAS) -> float:
        """Run a peer's recipe."""
        out = str(self.work / "peer.npy")
        words = (str(self.folder), backbone, str(n_images), out)
        python = self.torch_python if recipe == TORCH else sys.executable
        taken, _ = self.seconds(python, str(HERE / recipe), *words)
        if len(np.load(out)) != n_images:
            sys.exit("the peer did not see every image")
        return taken

    def engine(self, backbone: str, precision: str, batch_size: int) -> float:
        """Return images/s of the engine on pixels in memory."""
        words = (backbone, weights_of(backbone), precision, "6", str(batch_size))
        return float(self.seconds(sys.executable, str(HERE / "engine_alone.py"), *words)[1])


def weights_of(backbone: str) -> str:
    """Return the weights that need no network."""
    return "random:0" if backbone in BACKBONES[1:] else "imagenet"


def measure(bench: Bench, backbone: str, counts: tuple[int, int], repeats: int) -> Figures:
    """Measure one backbone: peer, featx as it comes, featx in float32, the engine alone."""
    n_images, n_peer = counts
    figures = Figures(backbone, n_images, n_peer)
    figures.first_seconds, report = bench.featx(backbone)
    figures.bottleneck = report["bottleneck"]
    figures.precision = report["notes"]["precision"]
    precision = figures.precision.partition(":")[0]
    batch = int(report["notes"]["batch_size"])
    has_torch = bool(bench.torch_python) and backbone in TORCH_BACKBONES
    start_up = {
        recipe: np.array([bench.peer(backbone, 1, recipe), bench.cpu_seconds])
        for recipe in (KERAS, TORCH)[: 1 + has_torch]
    }
    for _ in range(repeats):
        for recipe, first in start_up.items():
            taken = np.array([bench.peer(backbone, n_peer, recipe), bench.cpu_seconds])
            seconds, cpu_seconds = first + (taken - first) * n_images / n_peer
            figures.add_peer(recipe, n_images / seconds, n_images / cpu_seconds)
        figures.auto.append(n_images / bench.featx(backbone)[0])
        figures.auto_cpu.append(n_images / bench.cpu_seconds)
        figures.engine_auto.append(bench.engine(backbone, precision, batch))
        figures.float32.append(n_images / bench.featx(backbone, "--precision", "float32")[0])
        figures.float32_cpu.append(n_images / bench.cpu_seconds)
    return figures


def show(figures: Figures) -> None:
    """Print one backbone's figures."""
    rates = {k: statistics.median(getattr(figures, k)) for k in ("peer", "auto", "float32")}
    if figures.torch:
        rates["torch"] = statistics.median(figures.torch)
    alone = statistics.median(figures.engine_auto)
    print(f"{figures.backbone}: {figures.n_images} images, the peer {figures.n_peer_images}")
    print("  images/s:", *(f"{k} {v:.1f}" for k, v in rates.items()), f"engine alone {alone:.1f}")
    for name, ratio in figures.ratios().items():
        print(f"  {name}: {ratio:.2f}")
    print(f"  first run, conversion included: {figures.first_seconds:.1f} s")
    print(f"  {figures.precision}\n  {figures.bottleneck}", flush=True)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--backbones", nargs="+", default=BACKBONES, choices=BACKBONES)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--peer-images", nargs="*", default=[], metavar="BACKBONE=N")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--torch-python", default=sys.executable if find_spec("torch") else "")
    parser.add_argument("--folder", type=Path, default=Path("benchmark-photos"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    fewer = dict(pair.split("=") for pair in options.peer_images)
    make_photos(options.folder, options.images)
    found = []
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(options.folder, Path(work), options.torch_python)
        for backbone in options.backbones:
            counts = (options.images, int(fewer.get(backbone, options.images)))
            found.append(measure(bench, backbone, counts, options.repeats))
            show(found[-1])
    if options.out:
        data = [
            {**asdict(f), "ratios": f.ratios(), "goal": GOALS[f.backbone], "torch_goal": TORCH_GOAL}
            for f in found
        ]
        options.out.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
