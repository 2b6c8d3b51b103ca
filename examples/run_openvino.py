"""Classify images with an OpenVINO model from `featx export`; featx is not needed.

    python run_openvino.py model.xml photo.jpg …

Needs openvino, pillow.
"""

from __future__ import annotations

import json
import sys

import numpy as np
import openvino
from PIL import Image, ImageOps


def pixels(path: str, size: list[int]) -> np.ndarray:
    """Return an image as the model takes it: uint8 RGB (height, width, 3), squashed to size."""
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BICUBIC))


def load(path: str) -> tuple:
    """Return a function from images to probabilities, and what the model says of itself."""
    model = openvino.Core().read_model(path)
    about = {key: model.get_rt_info(["featx", key]).value for key in ("labels", "image_size")}
    about = {key: json.loads(text) for key, text in about.items()}
    about["resize"] = model.get_rt_info(["featx", "resize"]).value
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda images: compiled(images)[0], about


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
