"""Random views: what they cost to extract, and what heads gain from them, whichever way it goes.

    python benchmarks/views.py cost [--images 300] [--views 8] [--repeats 3]
    python benchmarks/views.py accuracy fashion-mnist|crops [--train 1000] [--test 4000] [--views 8]

``cost`` extracts photographs of about 500×375 with and without views, in turns, each into a new
cache. ``accuracy`` sweeps each head's default grid on the same images without views and with views
of several kinds; what is best on validation is measured once on test. Test images of ``crops`` are
boxes of the right half of a photograph, training images of its left half. Both write JSON with
``--out``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from photos import make_photos
from PIL import Image

from featx import Views
from featx.cache import SPLITS, FeatureStore
from featx.classifiers.selection.grid import default_families
from featx.classifiers.selection.sweep import sweep
from featx.classifiers.selection.sweep_options import SweepOptions
from featx.extractor.api import extract_several, options_of_views
from featx.extractor.plan import FeatureOptions
from featx.extractor.sources import open_source

FASHION = Path("/usr/share/datasets/fashion-mnist")
KINDS = ("flip", "crop,flip", "crop,flip,rotation,brightness")
HEADS = ("logreg", "linear-svm", "svm", "ridge", "projection", "lda", "knn", "centroid", "dense")
CROP_SIDES = (48, 96)
Labelled = tuple[str, str, NDArray[np.uint8]]
"""Split, class and pixels of an image."""


def cost(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return seconds of extractions without and with views, and the ratios of their medians."""
    photos = make_photos(folder / "photos", arguments.images)
    options = FeatureOptions(image_size=arguments.size, precision=arguments.precision)
    seconds: dict[int, list[tuple[float, float]]] = {1: [], arguments.views: []}
    for turn in range(arguments.repeats + 1):  # the first measures batch sizes and warms the files
        for n_views, taken in seconds.items():
            cache = folder / f"cache-{turn}-{n_views}"
            start = time.perf_counter(), time.process_time()
            extract_several(
                photos, options_of_views(Views(n_views, arguments.ops), options), cache=cache
            )
            taken.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    once, several = (np.median(taken[1:], axis=0) for taken in seconds.values())
    wall, processor = several / once
    print(
        f"{arguments.images} photographs, {arguments.ops}: one extraction {once[0]:.2f} s, "
        f"{arguments.views} views {several[0]:.2f} s, {wall:.2f} times; of processor seconds "
        f"{once[1]:.2f} and {several[1]:.2f}, {processor:.2f} times",
        flush=True,
    )
    return {"seconds": seconds, "wall": wall, "processor": processor, "ops": arguments.ops}


def accuracy(folder: Path, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the accuracy on test of each head, without views and with each kind of them."""
    photos = folder / "images"
    write_images(photos, DATA[arguments.data](arguments.train, arguments.test))
    options = FeatureOptions(image_size=arguments.size, precision=arguments.precision)
    store = FeatureStore(folder / "cache")
    name = extract_several(photos, [options], cache=store.root)[0].name
    for kind in KINDS:
        several = options_of_views(Views(arguments.views, kind), options)
        extract_several(photos / "train", several, cache=store.root)
    rows = []
    for head in arguments.heads:
        for kind in (None, *KINDS):
            rows.append(swept(store, name, head, kind, arguments.views))
            print(json.dumps(rows[-1]), flush=True)
    print(table(rows))
    return rows


def swept(
    store: FeatureStore, name: str, head: str, kind: str | None, n_views: int
) -> dict[str, Any]:
    """Sweep a head's default grid; return what the best on validation has on test."""
    options = SweepOptions(
        tuple(default_families([head])),
        metric="accuracy",
        views=n_views if kind else 1,
        view_ops=kind,
    )
    start = time.perf_counter()
    report = sweep([store.open_features(name)], options, store)
    if report.test is None:
        raise SystemExit("the images have no test split")
    return {
        "head": head,
        "views": kind or "none",
        "accuracy": report.test.metrics["accuracy"],
        "log_loss": report.test.metrics["log_loss"],
        "interval": report.test.intervals["accuracy"],
        "seconds": round(time.perf_counter() - start, 2),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Return accuracies as Markdown, a line for each head."""
    kinds = list(dict.fromkeys(row["views"] for row in rows))
    lines = [f"| head | {' | '.join(kinds)} |", "|---" * (1 + len(kinds)) + "|"]
    for head in dict.fromkeys(row["head"] for row in rows):
        cells = [f"{row['accuracy']:.4f}" for row in rows if row["head"] == head]
        lines.append(f"| `{head}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def fashion_mnist(n_train: int, n_test: int) -> Iterator[Labelled]:
    """Yield the first images of Fashion-MNIST's training and test images."""
    source = open_source(FASHION)
    listing = source.listing()
    for part, n in (("train", n_train), ("test", n_test)):
        wanted = np.flatnonzero(listing.splits == SPLITS.index(part))[:n]
        for row in wanted.tolist():
            yield part, listing.class_names[listing.labels[row]], np.asarray(source.read(row))


def crops(n_train: int, n_test: int) -> Iterator[Labelled]:
    """Yield grey boxes of photographs: the left half for training, the right half for testing."""
    from skimage import data
    from sklearn.datasets import load_sample_images

    names = ("coffee", "chelsea", "astronaut", "rocket", "camera", "brick", "grass", "gravel")
    names += ("moon", "coins", "hubble_deep_field", "retina", "immunohistochemistry")
    images = {name: getattr(data, name)() for name in names}
    images |= dict(zip(("china", "flower"), load_sample_images().images, strict=True))
    rng = np.random.default_rng(0)
    for part, n in (("train", n_train), ("test", n_test)):
        for number in range(n):
            name = list(images)[number % len(images)]
            grey = np.asarray(Image.fromarray(images[name]).convert("L"))
            middle = grey.shape[1] // 2
            half = grey[:, :middle] if part == "train" else grey[:, middle:]
            side = int(rng.integers(*CROP_SIDES))
            top, left = (int(rng.integers(0, size - side + 1)) for size in half.shape)
            yield part, name, half[top : top + side, left : left + side]


DATA = {"fashion-mnist": fashion_mnist, "crops": crops}


def write_images(folder: Path, images: Iterator[Labelled]) -> None:
    """Write PNG files below ``split/class``."""
    for number, (part, name, pixels) in enumerate(images):
        path = folder / part / name.replace("/", "-") / f"{number:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def main() -> None:
    """Measure, print and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("cost", "accuracy"))
    parser.add_argument("data", nargs="?", choices=list(DATA), default="fashion-mnist")
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--train", type=int, default=1000)
    parser.add_argument("--test", type=int, default=4000)
    parser.add_argument("--views", type=int, default=8)
    parser.add_argument("--ops", default=KINDS[-1])
    parser.add_argument("--heads", nargs="+", default=HEADS, choices=HEADS)
    parser.add_argument("--size", type=int)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure = cost if arguments.what == "cost" else accuracy
        result = measure(Path(folder), arguments)
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
