"""An accelerator, all of it in one command of at most six minutes.

KERAS_BACKEND=jax python benchmarks/extraction_gpu.py --out gpu.json [--backbones resnet50 …]
                                      [--minutes 5.5] [--seconds 3] [--rehearse --side 64]

For each backbone: images/s of featx' engine on pixels in memory, the first backbone's for each
batch size and the others' at its best one; of a plain PyTorch forward of the same network with the
same weights (bfloat16, channels-last, torch.compile); and an extraction from JPEGs beside the
machine's decoding ceiling, with the GPU's idle share and the drift of its first batch. Then a dense
head and a sweep on the features, and how far the features are from float32 on the calibration set.
Whatever does not fit into the time is left out and named. The figures are written after every step.

``--rehearse`` runs the same steps where no accelerator is, on the processor, and says so.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # PyTorch needs memory as well
os.environ.setdefault("KERAS_BACKEND", "jax")
# The same network is compiled for several steps.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", tempfile.mkdtemp(prefix="featx-jax-"))

import numpy as np
from photos import many_photos

BACKBONES = ("resnet50", "mobilenet", "efficientnet_lite0", "vgg19")
BATCHES = (128, 256, 512)
FAST = "bfloat16"
SMI = ("nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits")
SAMPLE_SECONDS = 0.2
CHUNK = 16


class Steps:
    """The steps of a run: what they gave, how long they took, and what was left out.

    Parameters
    ----------
    out : Path or None
    minutes : float
        No step begins after that.
    """

    def __init__(self, out: Path | None, minutes: float) -> None:
        self.out, self.end = out, time.perf_counter() + 60 * minutes
        self.figures: dict[str, Any] = {"left_out": [], "failed": {}, "seconds": {}}

    def run(self, name: str, step: Callable[[], Any]) -> Any:
        """Run a step, unless time is up; a failure is kept and the others go on."""
        if time.perf_counter() > self.end:
            self.figures["left_out"].append(name)
            return None
        start = time.perf_counter()
        try:
            self.figures[name] = step()
        except Exception as error:  # noqa: BLE001 (a loan of a machine is too short to lose it all)
            self.figures["failed"][name] = f"{type(error).__name__}: {error}"[:500]
        self.figures["seconds"][name] = round(time.perf_counter() - start, 1)
        print(f"{name}: {self.figures.get(name) or self.figures['failed'].get(name)}", flush=True)
        self.write()
        return self.figures.get(name)

    def write(self) -> None:
        """Write all figures so far."""
        if self.out:
            self.out.write_text(json.dumps(self.figures, indent=1) + "\n", encoding="utf-8")


def devices() -> dict[str, Any]:
    """Return the names of what computes."""
    import keras

    from featx.extractor.engines.keras import accelerators
    from featx.extractor.machine.hardware import this_machine

    found: dict[str, Any] = {
        "backend": keras.backend.backend(),
        "accelerators": accelerators(),
        "processor": this_machine().cpu,
        "n_cores": this_machine().n_cores,
        "tensorflow_installed": importlib.util.find_spec("tensorflow") is not None,
    }
    if keras.backend.backend() == "jax":
        import jax

        found["jax_devices"] = [device.device_kind for device in jax.devices()]
    if importlib.util.find_spec("torch"):
        import torch

        found["torch"] = torch.__version__
        if torch.cuda.is_available():
            found["device"] = torch.cuda.get_device_name(0)
    return found


def plan_of(backbone: str, side: int) -> Any:
    """Return the plan of a backbone with weights that need no network."""
    from featx.extractor.plan import FeatureOptions, make_plan

    weights = "imagenet" if backbone == "efficientnet_lite0" else "random:0"
    options = FeatureOptions(backbone=backbone, weights=weights, image_size=side, precision=FAST)
    return make_plan(options)


def engine_rates(plan: Any, batches: list[int], seconds: float) -> dict[str, float]:
    """Return images/s of featx' engine by batch size, on pixels in memory."""
    from featx.extractor.engines.batch_size import images_per_second
    from featx.extractor.engines.keras import KerasEngine

    network = plan.network
    rates = {}
    for batch in batches:
        engine = KerasEngine(network, FAST, batch)
        rates[str(batch)] = images_per_second(engine, network.image_size, seconds)
    return rates


def torch_rates(plan: Any, batches: list[int], seconds: float) -> dict[str, float]:
    """Return images/s by batch size of a compiled channels-last forward, uint8 in, float32 out."""
    import keras
    import torch
    from torch_twin import Twin

    from featx.extractor.backbones import build_backbone

    model = build_backbone(plan.record, plan.weights, plan.network.image_size)
    model = keras.Model(model.input, model.get_layer(plan.spec.layer).output)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    twin = Twin(model).eval().to(device, torch.bfloat16, memory_format=torch.channels_last)

    @torch.compile
    def forward(images: torch.Tensor) -> torch.Tensor:
        x = images.permute(0, 3, 1, 2).to(torch.bfloat16) / 127.5 - 1
        return twin(x.contiguous(memory_format=torch.channels_last))

    rates = {}
    for batch in batches:
        images = torch.randint(256, (batch, *plan.network.image_size, 3), dtype=torch.uint8)
        images = images.pin_memory() if device == "cuda" else images
        with torch.inference_mode():
            forward(images.to(device)).cpu()
            n_done, start = 0, time.perf_counter()
            while time.perf_counter() - start < seconds:
                forward(images.to(device, non_blocking=True)).cpu()
                n_done += batch
            rates[str(batch)] = n_done / (time.perf_counter() - start)
    return rates


def drift_of(plan: Any, batch: int) -> dict[str, Any]:
    """Return how far the features are from float32 on the calibration set."""
    from featx.extractor.engines import run_rows
    from featx.extractor.engines.keras import KerasEngine
    from featx.extractor.precision.calibration import calibration_images
    from featx.extractor.precision.drift import measure

    network = plan.network
    images = calibration_images(network.image_size)
    fast, exact = (run_rows(KerasEngine(network, p, batch), images) for p in (FAST, "float32"))
    return measure(FAST, fast, exact).to_dict()


def decode_all(paths: list[Path], side: int) -> None:
    """Read and decode some images."""
    from featx.extractor.images.decode import decode
    from featx.extractor.images.geometry import Geometry

    for path in paths:
        decode(path.read_bytes(), [Geometry(side, side)])


def decoding(folder: Path, side: int) -> dict[str, float]:
    """Return images/s of reading and decoding alone on all cores, by processes and by threads."""
    from joblib.externals.loky import ProcessPoolExecutor

    from featx.extractor.machine.hardware import n_usable_cores

    n_cores = n_usable_cores()
    paths = sorted(folder.rglob("*.jpg"))
    few = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    rates = {}
    for kind, pool, chunks in (
        ("processes", ProcessPoolExecutor, few),
        ("threads", ThreadPoolExecutor, few[: max(1, len(few) // 4)]),
    ):
        with pool(n_cores) as executor:
            list(executor.map(decode_all, few[: 2 * n_cores], [side] * 2 * n_cores))  # to start
            start = time.perf_counter()
            list(executor.map(decode_all, chunks, [side] * len(chunks)))
            rates[kind] = sum(map(len, chunks)) / (time.perf_counter() - start)
    return rates


class Clock:
    """An observer that notes when how many images were done."""

    def __init__(self) -> None:
        self.times: list[tuple[float, int]] = []

    def begin(self, n_images: int, task: str) -> None:
        """Do nothing."""

    def advance(self, n_images: int) -> None:
        """Note the time."""
        self.times.append((time.perf_counter(), n_images))

    def say(self, text: str) -> None:
        """Show it."""
        print(f"  {text}")

    def steady_rate(self) -> float:
        """Return images/s of the second half of the run."""
        half = self.times[len(self.times) // 2 :]
        return sum(n for _, n in half[1:]) / max(half[-1][0] - half[0][0], 1e-9)


@contextmanager
def gpu_busy() -> Iterator[list[float]]:
    """Yield a list that fills with the GPU's utilisation in percent."""
    samples: list[float] = []
    done = threading.Event()

    def sample() -> None:
        while shutil.which(SMI[0]) and not done.wait(SAMPLE_SECONDS):
            text = subprocess.run(SMI, capture_output=True, text=True, check=False).stdout
            samples.extend(float(line) for line in text.splitlines()[:1])

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()


def from_jpegs(plan: Any, folder: Path, cache: Path, batch: int) -> dict[str, Any]:
    """Extract a folder; return rates, seconds and the GPU's idle share in the second half."""
    from featx import RunOptions
    from featx.extractor.extract import extract
    from featx.extractor.sources import open_source

    clock = Clock()
    run = RunOptions(engine="keras", batch_size=batch)
    start = time.perf_counter()
    with gpu_busy() as samples:
        (report,) = extract(open_source(folder), [plan], store(cache), run, clock)
    seconds = time.perf_counter() - start
    half = samples[len(samples) // 2 :]
    return {
        "images": report.record.n_extracted,
        "seconds": seconds,
        "whole_run_images_per_second": report.record.n_extracted / seconds,
        "steady_images_per_second": clock.steady_rate(),
        "gpu_idle_share": 1 - float(np.mean(half)) / 100 if half else None,
        "drift": report.record.notes.get("drift"),
        "bottleneck": report.bottleneck,
        "warnings": report.warnings,
    }


def store(cache: Path) -> Any:
    """Return the cache."""
    from featx import FeatureStore

    return FeatureStore(cache)


def heads(cache: Path, *words: str) -> dict[str, Any]:
    """Run a command that trains heads on the newest features; return its seconds and answer."""
    code = "import sys; sys.argv[0] = 'featx'; from featx.cli import main; main()"
    command = (sys.executable, "-c", code, *words, "--cache", str(cache), "--json")
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cache)
    if done.returncode:
        raise RuntimeError(done.stderr[-400:])
    return {"seconds": time.perf_counter() - start}


def measure_backbone(
    steps: Steps, backbone: str, options: argparse.Namespace, photos: Path, cache: Path
) -> int:
    """Run all steps of one backbone; return its best batch size."""
    plan, seconds = plan_of(backbone, options.side), options.seconds
    batches = options.batches
    ours = steps.run(f"{backbone}/engine", lambda: engine_rates(plan, batches, seconds))
    best = int(max(ours, key=ours.get)) if ours else batches[0]
    if importlib.util.find_spec("torch"):
        theirs = steps.run(f"{backbone}/torch", lambda: torch_rates(plan, [best], seconds))
        if ours and theirs:
            share = max(ours.values()) / max(theirs.values())
            steps.run(f"{backbone}/engine / torch.compile", lambda: share)
    jpegs = steps.run(f"{backbone}/jpegs", lambda: from_jpegs(plan, photos, cache, best))
    ceilings = steps.figures.get("decoding")
    if jpegs and ceilings and ours:
        lower = min(max(ceilings.values()), max(ours.values()))
        share = jpegs["steady_images_per_second"] / lower
        steps.run(f"{backbone}/jpegs / the lower ceiling", lambda: share)
    return best


def main() -> None:
    """Run all steps within the time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbones", nargs="+", default=BACKBONES)
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--images", type=int, default=30_000)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--minutes", type=float, default=5.5)
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    steps = Steps(options.out, options.minutes)
    found = steps.run("devices", devices) or {}
    if not found.get("accelerators"):
        if not options.rehearse:
            sys.exit("no accelerator that Keras can use: nothing was measured (--rehearse)")
        print("A REHEARSAL ON THE PROCESSOR: the figures say nothing of an accelerator", flush=True)
        steps.figures["rehearsal"] = True
    with tempfile.TemporaryDirectory() as work:
        photos = many_photos(Path(work) / "photos", options.images)
        steps.run("decoding", lambda: decoding(photos, options.side))
        for backbone in options.backbones:
            cache = Path(work) / backbone
            cache.mkdir()
            options.batches = [measure_backbone(steps, backbone, options, photos, cache)]
        cache = Path(work) / options.backbones[0]
        steps.run("fit dense", lambda: heads(cache, "fit", "--head", "dense"))
        steps.run("sweep", lambda: heads(cache, "sweep", "--heads", "logreg,dense"))
        for backbone in options.backbones:
            plan = plan_of(backbone, options.side)
            steps.run(f"{backbone}/drift", partial(drift_of, plan, options.batches[0]))
    steps.write()


if __name__ == "__main__":
    main()
