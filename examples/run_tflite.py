"""Classify images with a TensorFlow Lite model from `featx export`; featx is not needed.

    python run_tflite.py model.tflite photo.jpg …

Needs tensorflow (or ai-edge-litert), pillow.
"""

from __future__ import annotations

import json
import sys
import zipfile

import numpy as np
from PIL import Image, ImageOps

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    import tensorflow as tf

    Interpreter = tf.lite.Interpreter


def pixels(path: str, size: list[int]) -> np.ndarray:
    """Return an image as the model takes it: uint8 RGB (height, width, 3), squashed to size."""
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BICUBIC))


def load(path: str) -> tuple:
    """Return a function from images to probabilities, and what the model says of itself."""
    with zipfile.ZipFile(path) as archive:
        about = json.loads(archive.read("featx.json"))
    interpreter = Interpreter(path)

    def run(images: np.ndarray) -> np.ndarray:
        entry = interpreter.get_input_details()[0]["index"]
        interpreter.resize_tensor_input(entry, images.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(entry, images)
        interpreter.invoke()
        return np.array(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))

    return run, about


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
