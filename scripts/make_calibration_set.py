"""Make the calibration set, on which number formats are measured (development time only).

    python scripts/make_calibration_set.py SCIPY_MISC

SCIPY_MISC is the folder ``scipy/misc`` of SciPy 1.9, which holds ``face.dat`` and ``ascent.dat``.
The other photographs come with scikit-image, the garments from featx' own sample, and the rest is
drawn here. The same libraries give the same bytes. Licences: ``extractor/data/calibration``.
"""

from __future__ import annotations

import argparse
import bz2
import io
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from skimage import data

from featx.extractor.sources.arrays.sample import open_sample

OUT = Path(__file__).resolve().parent.parent / "extractor" / "data" / "calibration"
SIDE = 224
SEED = 20261126
QUALITY = 85
WHITE, BLACK = "#ffffff", "#000000"


def photographs(misc: Path) -> Iterator[tuple[str, Image.Image]]:
    """Yield cuts of photographs at several scales, each from another corner."""
    raccoon = np.frombuffer(bz2.decompress((misc / "face.dat").read_bytes()), np.uint8)
    whole = {
        "raccoon": (raccoon.reshape(768, 1024, 3), 6),
        "astronaut": (data.astronaut(), 5),
        "cat": (data.chelsea(), 4),
        "coffee": (data.coffee(), 5),
        "rocket": (data.rocket(), 4),
        "galaxies": (data.hubble_deep_field(), 3),
        "retina": (data.retina(), 2),
    }
    rng = np.random.default_rng(SEED)
    for name, (pixels, n_cuts) in whole.items():
        for number in range(n_cuts):
            yield f"photograph-{name}-{number}", _cut(Image.fromarray(pixels), rng, number)


def greys(misc: Path) -> Iterator[tuple[str, Image.Image]]:
    """Yield grey photographs, and flat or barely structured greys."""
    ascent = np.array(pickle.loads((misc / "ascent.dat").read_bytes()), np.uint8)
    rng = np.random.default_rng(SEED + 1)
    for name, pixels in (("stairs", ascent), ("camera", data.camera()), ("clock", data.clock())):
        for number in range(2):
            yield f"grey-{name}-{number}", _cut(Image.fromarray(pixels), rng, number)
    yield "grey-cell", _cut(Image.fromarray(data.cell()), rng, 0)
    ramp = np.linspace(0, 255, SIDE)
    yield "grey-ramp", _image(np.tile(ramp, (SIDE, 1)))
    yield "grey-dim", _image(np.add.outer(ramp, ramp) / 16 + 20)
    yield "grey-flat", _image(np.full((SIDE, SIDE), 128.0))
    yield "grey-noise", _image(rng.normal(200, 6, (SIDE, SIDE)))


def textures() -> Iterator[tuple[str, Image.Image]]:
    """Yield photographed and drawn textures."""
    rng = np.random.default_rng(SEED + 2)
    for name in ("brick", "grass", "gravel"):
        for number in range(2):
            yield (
                f"texture-{name}-{number}",
                _cut(Image.fromarray(getattr(data, name)()), rng, number),
            )
    y, x = np.mgrid[:SIDE, :SIDE]
    waves = 127 + 60 * np.sin(x / 5) + 60 * np.sin((x + 2 * y) / 9)
    plaid = np.stack([127 + 100 * np.sin(x / 8), 90 + 80 * np.sin(y / 13), 60 + 0.0 * x], axis=-1)
    yield "texture-noise", _image(rng.uniform(0, 255, (SIDE, SIDE, 3)))
    yield "texture-clouds", _clouds(rng)
    yield "texture-waves", _image(waves)
    yield "texture-plaid", _image(plaid)
    yield "texture-checks", _image(255.0 * ((x // 14 + y // 14) % 2))


def drawings() -> Iterator[tuple[str, Image.Image]]:
    """Yield line art: outlines, hatching, plots, writing and a silhouette."""
    rng = np.random.default_rng(SEED + 3)
    yield "drawing-writing", Image.fromarray(data.text()).crop((0, 0, 172, 172))
    yield "drawing-horse", Image.fromarray(data.horse()).convert("L")
    for number in range(3):
        yield f"drawing-outlines-{number}", _outlines(rng, 6 * number + 3)
    for number, (paper, ink) in enumerate(((WHITE, BLACK), (BLACK, WHITE), ("#fff8e0", "#203080"))):
        yield f"drawing-hatching-{number}", _hatching(rng, paper, ink)
        yield f"drawing-plot-{number}", _plot(rng, paper, ink)


def garments() -> Iterator[tuple[str, Image.Image]]:
    """Yield two garments of each class of the bundled sample."""
    source = open_sample()
    labels = source.listing().labels
    for label in range(10):
        for number, index in enumerate(np.flatnonzero(labels == label)[:2].tolist()):
            yield f"garment-{label}-{number}", Image.fromarray(source.read(index))


def _cut(picture: Image.Image, rng: np.random.Generator, number: int) -> Image.Image:
    """Return the whole picture, or a square of it, at the calibration set's size."""
    if number == 0:
        return picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    side = int(min(picture.size) * rng.uniform(0.4, 0.9))
    left = int(rng.integers(0, picture.width - side + 1))
    top = int(rng.integers(0, picture.height - side + 1))
    box = (left, top, left + side, top + side)
    return picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=box)


def _image(values: np.ndarray) -> Image.Image:
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))


def _clouds(rng: np.random.Generator) -> Image.Image:
    layers = [
        np.asarray(
            _image(rng.uniform(0, 255, (n, n))).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        )
        for n in (4, 8, 16, 32, 64)
    ]
    weights = np.array([16, 8, 4, 2, 1]) / 31
    return _image(np.tensordot(weights, np.stack(layers).astype(float), 1))


def _outlines(rng: np.random.Generator, n_shapes: int) -> Image.Image:
    picture = Image.new("RGB", (SIDE, SIDE), WHITE)
    draw = ImageDraw.Draw(picture)
    for number in range(n_shapes):
        left, top = rng.integers(0, SIDE - 60, 2).tolist()
        width, height = rng.integers(20, 120, 2).tolist()
        box = (left, top, left + width, top + height)
        shape = (draw.ellipse, draw.rectangle, draw.arc)[number % 3]
        if shape == draw.arc:
            draw.arc(box, 20, 300, fill=BLACK, width=3)
        else:
            shape(box, outline=BLACK, width=2)
    return picture


def _hatching(rng: np.random.Generator, paper: str, ink: str) -> Image.Image:
    picture = Image.new("RGB", (SIDE, SIDE), paper)
    draw = ImageDraw.Draw(picture)
    step = int(rng.integers(5, 14))
    for number, start in enumerate(range(-SIDE, SIDE, step)):
        draw.line((start, 0, start + SIDE, SIDE), fill=ink, width=1)
        if number % 2:
            draw.line((start + SIDE, 0, start, SIDE), fill=ink, width=2)
    return picture.filter(ImageFilter.GaussianBlur(0.4))


def _plot(rng: np.random.Generator, paper: str, ink: str) -> Image.Image:
    picture = Image.new("RGB", (SIDE, SIDE), paper)
    draw = ImageDraw.Draw(picture)
    draw.line((20, 10, 20, 204, 214, 204), fill=ink, width=2)
    for _ in range(3):
        y = 107 + np.cumsum(rng.normal(0, 6, 60))
        draw.line(list(zip(np.linspace(20, 214, 60), y, strict=True)), fill=ink, width=1)
    return picture


def encoded(name: str, picture: Image.Image) -> tuple[str, bytes]:
    """Return a file's name and bytes: PNG for drawings and garments, else JPEG."""
    buffer = io.BytesIO()
    if name.startswith(("drawing", "garment")):
        picture.save(buffer, "PNG", optimize=True)
        return f"{name}.png", buffer.getvalue()
    picture.save(buffer, "JPEG", quality=QUALITY)
    return f"{name}.jpg", buffer.getvalue()


def main() -> None:
    """Write the pictures into one file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("misc", type=Path)
    misc = parser.parse_args().misc
    kinds = (photographs(misc), greys(misc), textures(), drawings(), garments())
    pictures = [encoded(name, picture) for kind in kinds for name, picture in kind]
    OUT.mkdir(exist_ok=True)
    with zipfile.ZipFile(OUT / "pictures.zip", "w") as archive:
        for name, content in pictures:
            archive.writestr(zipfile.ZipInfo(name), content)
    print(len(pictures), "pictures", (OUT / "pictures.zip").stat().st_size, "bytes")


if __name__ == "__main__":
    main()
