"""Networks of published sizes with random weights against PyTorch and the publishers' processors.

python tests/data/graphs/make.py FOLDER --full          (where torch and transformers are)
python tests/data/graphs/make_timm.py FOLDER --full     (where timm is, too)
python benchmarks/published_backbones.py FOLDER

Prints for each network how far featx' pixels and features are from those that PyTorch gave, at
most: features in float32 of each engine, absolute and as a share of their largest number, and the
cosine of those in bfloat16.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from featx.cache.errors import FeatxError
from featx.extractor import FeatureOptions
from featx.extractor.backbones import find_preprocess
from featx.extractor.engines import run_rows
from featx.extractor.images.decode import decode
from featx.extractor.plan import make_plan

RUNS = (("openvino", "float32"), ("onnxruntime", "float32"), ("openvino", "bfloat16"))


def features(folder: Path, images: list[np.ndarray], engine: str, precision: str) -> np.ndarray:
    """Return the features of pictures, as an extraction computes them."""
    plan = make_plan(FeatureOptions(backbone=str(folder), precision=precision))
    pixels = np.stack([decode(image, [plan.geometry])[0] for image in images])
    (X,) = run_rows(plan.build_engine(1, engine), pixels)
    return X


def pixel_error(folder: Path, images: list[np.ndarray], wanted: np.ndarray) -> float:
    """Return the largest difference of normalised pixels; a level of a channel is 0.004 or more."""
    plan = make_plan(FeatureOptions(backbone=str(folder)))
    read = np.stack([decode(image, [plan.geometry])[0] for image in images])
    preprocess = find_preprocess(plan.spec.preprocess)
    pixels = (read - np.float64(preprocess.mean)) / np.float64(preprocess.scale)
    return float(np.abs(pixels.transpose(0, 3, 1, 2) - wanted).max())


def cosine(X: np.ndarray, Y: np.ndarray) -> float:
    """Return the smallest cosine of two sets of rows."""
    lengths = np.linalg.norm(X, axis=1) * np.linalg.norm(Y, axis=1)
    return float(((X * Y).sum(axis=1) / lengths).min())


def main() -> None:
    """Print the table."""
    print("| network | d | pixels | OpenVINO | ONNX Runtime | bfloat16, cosine |")
    print("|---|---|---|---|---|---|")
    for folder in sorted(path for path in Path(sys.argv[1]).iterdir() if path.is_dir()):
        with np.load(folder / "expected.npz") as file:
            values = {key: file[key] for key in file.files}
        keys = sorted(key for key in values if key.startswith("image_") and key[6:].isdigit())
        images = [values[key] for key in keys]
        output = values["image_embeds" if "image_embeds" in values else "pooler_output"]
        output = output.reshape(len(images), -1)
        cells = [folder.name, f"{output.shape[1]:,}"]
        cells.append(f"{pixel_error(folder, images, values['pixels']):.1e}")
        for engine, precision in RUNS:
            try:
                X = features(folder, images, engine, precision)
            except FeatxError as error:
                cells.append(f"none: {error}"[:60])
                continue
            error = float(np.abs(X - output).max())
            relative = error / float(np.abs(output).max())
            shown = f"{error:.1e} ({relative:.1e})"
            cells.append(shown if precision == "float32" else f"{cosine(X, output):.5f}")
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
