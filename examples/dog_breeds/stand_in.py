"""A stand-in for 133 breeds: 133 places of photographs, nine crops of each.

    python stand_in.py FOLDER [--classes 133]

A class is a square of 96 pixels of a photograph of scikit-image or scikit-learn; its images are the
nine tiles of 32 pixels, which do not overlap.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

SQUARE, TILE = 96, 32


def photographs() -> dict[str, np.ndarray]:
    """Return colour photographs by name, each ``(height, width, 3)``."""
    from skimage import data
    from sklearn.datasets import load_sample_image

    names = ("astronaut", "chelsea", "coffee", "immunohistochemistry")
    return {
        **{name: getattr(data, name)() for name in names},
        **{name: load_sample_image(f"{name}.jpg") for name in ("china", "flower")},
    }


def squares(photograph: np.ndarray, side: int) -> Iterator[np.ndarray]:
    """Cut a photograph into squares, row by row; leave out what is over."""
    height, width = photograph.shape[:2]
    for top in range(0, height - side + 1, side):
        for left in range(0, width - side + 1, side):
            yield photograph[top : top + side, left : left + side]


def write_classes(folder: Path, n_classes: int) -> None:
    """Write each square's tiles into a folder of its own."""
    named = [
        (f"{name}_{i:02}", square)
        for name, photograph in photographs().items()
        for i, square in enumerate(squares(photograph, SQUARE))
    ]
    for name, square in named[:n_classes]:
        (folder / name).mkdir(parents=True)
        for i, tile in enumerate(squares(square, TILE)):
            Image.fromarray(tile).save(folder / name / f"{i}.png")


def main(words: list[str] | None = None) -> None:
    """Write the images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--classes", type=int, default=133)
    arguments = parser.parse_args(words)
    write_classes(arguments.folder, arguments.classes)


if __name__ == "__main__":
    main()
