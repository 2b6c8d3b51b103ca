"""Classify images with a Keras model from `featx export`; featx is not needed.

    python run_keras.py model.keras photo.jpg …

Needs keras with any backend, pillow.
"""

from __future__ import annotations

import json
import sys
import zipfile

import keras
import numpy as np
from PIL import Image, ImageOps


def pixels(path: str, size: list[int]) -> np.ndarray:
    """Return an image as the model takes it: uint8 RGB (height, width, 3), squashed to size."""
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BICUBIC))


def load(path: str) -> tuple:
    """Return a function from images to probabilities, and what the model says of itself."""
    with zipfile.ZipFile(path) as archive:
        about = json.loads(archive.read("featx.json"))
    model = keras.saving.load_model(path)
    return model.predict_on_batch, about


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
