"""Decoders side by side: JPEG of about 500×375 to 224×224 pixels, on one thread and on all.

python benchmarks/extraction_decoders.py [--images 300] [--out decoders.json]

OpenCV is tried where it is installed. featx gives the pixels of Pillow.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from photos import make_photos
from PIL import Image

SIDE = 224
N_REPEATS = 5


def pillow(raw: bytes) -> np.ndarray:
    """Whole decode, bicubic resize."""
    image = Image.open(io.BytesIO(raw)).convert("RGB")
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def featx(raw: bytes) -> np.ndarray:
    """What featx does: libjpeg-turbo and its own resize, with everything that Pillow handles."""
    from featx.extractor.images.decode import decode
    from featx.extractor.images.geometry import Geometry

    return decode(raw, [Geometry(SIDE, SIDE)])[0]


def pillow_half(raw: bytes) -> np.ndarray:
    """Decode at half size by DCT scaling, then resize: fewer pixels, other numbers."""
    image = Image.open(io.BytesIO(raw))
    image.draft("RGB", (SIDE, SIDE))
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def simplejpeg_pillow(raw: bytes) -> np.ndarray:
    """TurboJPEG's own decoder, Pillow's resize."""
    import simplejpeg

    image = Image.fromarray(simplejpeg.decode_jpeg(raw))
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def opencv_area(raw: bytes) -> np.ndarray:
    """OpenCV's decoder and its area resize."""
    import cv2

    cv2.setNumThreads(1)
    image = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR_RGB)
    return cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def only_decode(raw: bytes) -> np.ndarray:
    """Pillow's decode without any resize."""
    return np.asarray(Image.open(io.BytesIO(raw)))


DECODERS = {
    "Pillow": pillow,
    "featx": featx,
    "Pillow, decode only": only_decode,
    "Pillow, half size": pillow_half,
    "simplejpeg + Pillow": simplejpeg_pillow,
    "OpenCV, area": opencv_area,
}
NEEDS = {"simplejpeg + Pillow": "simplejpeg", "OpenCV, area": "cv2"}


def rate(executor: Executor, decode: Callable[[bytes], np.ndarray], raws: list[bytes]) -> float:
    """Return images/s."""
    start = time.perf_counter()
    list(executor.map(decode, raws, chunksize=8))
    return len(raws) / (time.perf_counter() - start)


def main() -> None:
    """Measure all decoders in turn, several times over, and print medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--folder", type=Path, default=Path("benchmark-photos"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    places = sorted(make_photos(options.folder, options.images).rglob("*.jpg"))
    raws = [place.read_bytes() for place in places]
    names = [n for n in DECODERS if n not in NEEDS or importlib.util.find_spec(NEEDS[n])]
    n_cores = len(os.sched_getaffinity(0))
    executors = {
        "1 thread": ThreadPoolExecutor(1),
        f"{n_cores} threads": ThreadPoolExecutor(n_cores),
        f"{n_cores} processes": ProcessPoolExecutor(n_cores),
    }
    rates: dict[str, dict[str, list[float]]] = {n: {e: [] for e in executors} for n in names}
    for _ in range(N_REPEATS):
        for name in names:
            for kind, executor in executors.items():
                rates[name][kind].append(rate(executor, DECODERS[name], raws))
    medians = {n: {e: statistics.median(v) for e, v in rates[n].items()} for n in names}
    for name, found in medians.items():
        print(f"{name:24}", *(f"{kind}: {value:6.0f}/s" for kind, value in found.items()))
    if options.out:
        options.out.write_text(json.dumps(medians, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
