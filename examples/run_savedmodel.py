"""Classify images with a TensorFlow SavedModel from `featx export`; featx is not needed.

    python run_savedmodel.py model-savedmodel/ photo.jpg …

Needs tensorflow, pillow.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps


def pixels(path: str, size: list[int]) -> np.ndarray:
    """Return an image as the model takes it: uint8 RGB (height, width, 3), squashed to size."""
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BICUBIC))


def load(path: str) -> tuple:
    """Return a function from images to probabilities, and what the model says of itself."""
    about = json.loads(Path(path, "assets.extra", "featx.json").read_text(encoding="utf-8"))
    model = tf.saved_model.load(path)
    return lambda images: model.serve(images).numpy(), about


def main(model: str, *paths: str) -> None:
    run, about = load(model)
    if not about["resize"].startswith("squash"):
        sys.exit(f"resize the images as the model was trained: {about['resize']}")
    images = np.stack([pixels(path, about["image_size"]) for path in paths])
    for path, row in zip(paths, run(images), strict=True):
        best = int(row.argmax())
        print(f"{path}\t{about['labels'][best]}\t{row[best]:.6f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
