"""How many of our functions one image goes through: path to cached row, cached row to predictions.

python benchmarks/call_depth.py [--list]

Every thread is traced (``sys.setprofile``), and comprehensions are left out.

Path to cached row: sources of one and of two images are extracted in batches of one, each into a
new cache. Counted are the distinct functions, from the reading of an image on, that are called more
often for two images than for one: what an image adds to a run, and not what a run or a shard costs.

Cached row to a line of predictions: one cached row is scored. Counted is the chain of calls that
the row goes through: every function on the stack when it is read from the cache, when the head sees
it, when its predictions are saved, and when their line is written.
"""

from __future__ import annotations

import argparse
import inspect
import os
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import numpy as np
from PIL import Image

import featx
from featx import FeatureOptions, RunOptions
from featx.classifiers import fit_model, score_images
from featx.extractor import extract_features

ROOT = str(Path(inspect.getfile(featx)).parent) + os.sep

START = ("extractor/sources/", "read")
LANDMARKS = (
    ("cache/", "MappedRows.run"),
    ("classifiers/heads/", "_decide"),
    ("classifiers/scoring/", "Checkpoints.write_rows"),
    ("classifiers/scoring/", "open_writer.<locals>.write"),
    # The same places by the names of the state before the rebuild.
    ("classifiers/parts", "PartFolder.write"),
    ("classifiers/formats", "_csv.<locals>.write"),
)
"""Where a row is read, seen by a head, saved and written: a file's path, and a function's end."""


class Tracer:
    """Counts the calls of the package's functions in all threads, and keeps stacks at landmarks."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.chain: dict[str, None] = {}
        self._has_started = False

    def __enter__(self) -> Self:
        threading.setprofile(self._on_event)
        sys.setprofile(self._on_event)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _on_event(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or not _is_ours(frame):
            return
        name = _name(frame)
        self._has_started |= name.startswith(START[0]) and name.endswith(START[1])
        if self._has_started:
            self.calls[name] += 1
        if any(name.startswith(path) and name.endswith(end) for path, end in LANDMARKS):
            self._keep_stack(frame)

    def _keep_stack(self, frame: FrameType | None) -> None:
        names = []
        while frame is not None:
            if _is_ours(frame):
                names.append(_name(frame))
            frame = frame.f_back
        self.chain |= dict.fromkeys(reversed(names))


def _is_ours(frame: FrameType) -> bool:
    code = frame.f_code
    return code.co_filename.startswith(ROOT) and not code.co_name.startswith("<")


def _name(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename[len(ROOT) :]}: {frame.f_code.co_qualname}"


def write_photos(folder: Path, n_images: int, seed: int) -> Path:
    """Write JPEGs of noise, in two classes by turns."""
    pixels = np.random.default_rng(seed).integers(0, 256, (n_images, 64, 64, 3), np.uint8)
    for number, image in enumerate(pixels):
        (folder / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / "ab"[number % 2] / f"{number}.jpg")
    return folder


def measure(root: Path) -> dict[str, list[str]]:
    """Return for each way the functions that one image goes through."""
    features = FeatureOptions(
        backbone="mobilenet", weights="random:0", image_size=32, precision="float32"
    )
    options = RunOptions(batch_size=1, workers=1)
    extract_features(write_photos(root / "p", 6, 0), features, cache=root / "c-6", run=options)
    fit_model(cache=root / "c-6", out=root / "model.featx")
    added: Counter[str] = Counter()
    for n_images, sign in ((1, -1), (2, 1)):
        photos = write_photos(root / f"of-{n_images}", n_images, n_images)
        with Tracer() as tracer:
            extract_features(photos, features, cache=root / f"c-{n_images}", run=options)
        added.update({name: sign * n for name, n in tracer.calls.items()})
    with Tracer() as tracer:
        score_images(root / "model.featx", "features:", root / "p.csv", cache=root / "c-1")
    return {"path to cached row": list(+added), "cached row to a line": list(tracer.chain)}


def main() -> None:
    """Print the counts, and with --list the functions."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="name the functions, too")
    shall_list = parser.parse_args().list
    with tempfile.TemporaryDirectory() as folder:
        for way, functions in measure(Path(folder)).items():
            rooms = Counter("/".join(name.split("/")[:2]).split(".py")[0] for name in functions)
            print(f"{way}: {len(functions)} ({', '.join(f'{r} {n}' for r, n in rooms.items())})")
            if shall_list:
                print(*(f"  {name}" for name in functions), sep="\n")


if __name__ == "__main__":
    main()
