"""An accelerator: Keras with XLA in bfloat16 against torch.compile, in one run.

KERAS_BACKEND=jax python benchmarks/extraction_gpu.py [--backbones resnet50 vgg19] [--batch 256]
                                                     [--folder DIR] [--images 2000] [--out gpu.json]

For each backbone: images/s of featx' engine on pixels in memory; of a plain PyTorch forward of the
same architecture (torchvision, bfloat16, channels-last, torch.compile) where torchvision is there;
of a whole extraction from JPEGs; and of decoding alone on all cores, the other ceiling.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from extraction import Bench
from photos import make_photos

SECONDS = 10.0
SIDE = 224


def ours(backbone: str, batch: int) -> float:
    """Return images/s of featx' Keras engine."""
    from featx.extractor.engines.batch_size import images_per_second
    from featx.extractor.engines.keras import KerasEngine, accelerators
    from featx.extractor.plan import FeatureOptions, make_plan

    if not accelerators():
        sys.exit("no accelerator that Keras can use: nothing was measured")
    plan = make_plan(FeatureOptions(backbone=backbone, weights="random:0", precision="bfloat16"))
    return images_per_second(KerasEngine(plan.network, "bfloat16", batch), (SIDE, SIDE), SECONDS)


def torch_compiled(backbone: str, batch: int) -> float:
    """Return images/s of a compiled channels-last forward of the convolutions, uint8 input."""
    import torch
    import torchvision

    model = getattr(torchvision.models, backbone)(weights=None)
    trunk = (
        model.features if backbone == "vgg19" else torch.nn.Sequential(*list(model.children())[:-2])
    )
    trunk = trunk.eval().to("cuda", torch.bfloat16, memory_format=torch.channels_last)

    @torch.compile
    def forward(images: torch.Tensor) -> torch.Tensor:
        x = images.permute(0, 3, 1, 2).to(torch.bfloat16) / 127.5 - 1
        return trunk(x.contiguous(memory_format=torch.channels_last)).mean((2, 3)).float()

    images = torch.zeros((batch, SIDE, SIDE, 3), dtype=torch.uint8).pin_memory()
    n_done = 0
    with torch.inference_mode():
        forward(images.cuda())
        torch.cuda.synchronize()
        start = time.perf_counter()
        while time.perf_counter() - start < SECONDS:
            forward(images.to("cuda", non_blocking=True)).cpu()
            n_done += batch
    return n_done / (time.perf_counter() - start)


def decoding(folder: Path) -> float:
    """Return images/s of reading and decoding alone, on all cores."""
    from featx.extractor.images.decode import decode
    from featx.extractor.images.geometry import Geometry

    places = sorted(folder.rglob("*.jpg"))
    geometry = Geometry(SIDE, SIDE)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as executor:
        start = time.perf_counter()
        list(executor.map(lambda place: decode(place.read_bytes(), [geometry]), places))
        return len(places) / (time.perf_counter() - start)


def main() -> None:
    """Measure each backbone, print figures and shares."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--backbones", nargs="+", default=["resnet50", "vgg19"])
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--folder", type=Path, default=Path("benchmark-photos"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    make_photos(options.folder, options.images)
    found: dict[str, dict[str, float]] = {}
    ceiling = decoding(options.folder)
    for name in options.backbones:
        figures = {"engine": ours(name, options.batch), "decoding alone": ceiling}
        if importlib.util.find_spec("torchvision"):
            figures["torch.compile"] = torch_compiled(name, options.batch)
            figures["engine / torch.compile"] = figures["engine"] / figures["torch.compile"]
        with tempfile.TemporaryDirectory() as work:
            bench = Bench(options.folder, Path(work))
            words = ("--engine", "keras", "--precision", "bfloat16")
            report = bench.featx(name, *words, "--batch-size", str(options.batch))[1]
        figures["from JPEGs"] = report["n_extracted"] / report["seconds"]
        figures["from JPEGs / ceiling"] = figures["from JPEGs"] / min(ceiling, figures["engine"])
        found[name] = figures
        print(name, *(f"{key}: {value:.2f}" for key, value in figures.items()), sep="\n  ")
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
