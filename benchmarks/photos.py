"""Folders of JPEGs made from real photographs, for the extraction benchmarks."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = (500, 375)
N_CLASSES = 10
N_DISTINCT = 200


def photographs() -> list[Image.Image]:
    """Return the colour photographs that come with scikit-learn, and scikit-image if it is here."""
    from sklearn.datasets import load_sample_images

    ours = []
    if find_spec("skimage"):
        from skimage import data

        ours = [data.coffee(), data.chelsea(), data.astronaut(), data.rocket()]
    return [Image.fromarray(image[..., :3]) for image in (*ours, *load_sample_images().images)]


def make_photos(folder: Path, n_images: int, seed: int = 0) -> Path:
    """Write ``n_images`` JPEGs of about 500×375: crops at many scales, mirrored, quality 85-95."""
    if folder.exists() and len(list(folder.rglob("*.jpg"))) == n_images:
        return folder
    rng = np.random.default_rng(seed)
    sources = photographs()
    for number in range(n_images):
        image = _cut(sources[number % len(sources)], rng)
        place = folder / f"class{number % N_CLASSES}" / f"{number:06d}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        image.save(place, quality=int(rng.integers(85, 96)))
    return folder


def many_photos(folder: Path, n_images: int) -> Path:
    """Write few distinct photographs many times; bytes behind the end make each another file."""
    distinct = make_photos(folder / "distinct", min(N_DISTINCT, n_images))
    contents = [path.read_bytes() for path in sorted(distinct.rglob("*.jpg"))]
    many = folder / "many"
    for number in range(n_images):
        path = many / f"class{number % N_CLASSES}" / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[number % len(contents)] + number.to_bytes(8, "big"))
    return many


def _cut(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    scale = rng.uniform(0.5, 1.0)
    width, height = int(image.width * scale), int(image.height * scale)
    left = int(rng.integers(0, image.width - width + 1))
    top = int(rng.integers(0, image.height - height + 1))
    size = SIDE[0] + int(rng.integers(-20, 21)), SIDE[1] + int(rng.integers(-15, 16))
    box = (left, top, left + width, top + height)
    cut = image.resize(size, Image.Resampling.BICUBIC, box=box)
    if rng.random() < 0.5:
        cut = cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return cut
