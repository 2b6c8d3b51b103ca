"""Cut the small class-balanced Fashion-MNIST sample that featx ships (development time only).

    python scripts/make_fashion_sample.py [FOLDER]

FOLDER holds the four files of Fashion-MNIST, as Debian's package dataset-fashion-mnist installs
them. The same input and seed give the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import numpy as np

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
OUT = Path(__file__).resolve().parent.parent / "extractor" / "data" / "fashion_sample"
SEED = 20170825
PER_CLASS = {"train": 200, "t10k": 50}
CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def file_names(part: str) -> tuple[str, str]:
    """Name the images file and the labels file of `part`."""
    return f"{part}-images-idx3-ubyte.gz", f"{part}-labels-idx1-ubyte.gz"


def read_idx(path: Path) -> np.ndarray:
    """Read a gzipped IDX file of unsigned bytes: magic `0 0 8 ndim`, big-endian sizes, data."""
    raw = gzip.decompress(path.read_bytes())
    if raw[:3] != b"\x00\x00\x08":
        raise SystemExit(f"{path}: expected an IDX file of unsigned bytes, got magic {raw[:4]!r}")
    shape = np.frombuffer(raw, ">u4", count=raw[3], offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write `array` (uint8) as gzipped IDX, without a name or time in the gzip header."""
    header = bytes((0, 0, 8, array.ndim)) + np.asarray(array.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(header + array.tobytes(), compresslevel=9, mtime=0))


def balanced_rows(y: np.ndarray, per_class: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `per_class` rows of each class without replacement; rows keep their original order."""
    drawn = [rng.choice(np.flatnonzero(y == c), per_class, replace=False) for c in np.unique(y)]
    return np.sort(np.concatenate(drawn))


def main() -> None:
    """Draw both parts and write them with their class names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=DEBIAN_FOLDER)
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    for part, per_class in PER_CLASS.items():
        images, labels = file_names(part)
        X, y = read_idx(args.folder / images), read_idx(args.folder / labels)
        rows = balanced_rows(y, per_class, rng)
        write_idx(args.out / images, X[rows])
        write_idx(args.out / labels, y[rows])
        print(f"{part}: {len(rows)} of {len(y)} images, {per_class} per class")
    (args.out / "class_names.txt").write_text("\n".join(CLASS_NAMES) + "\n")


if __name__ == "__main__":
    main()
