"""What a backbone's publisher states of its input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ....cache.errors import ConfigError
from ...images.published_resize import PublishedResize
from .normalisation import Channels

FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
"""Pillow's numbers of its filters."""


@dataclass(frozen=True)
class PublishedInput:
    """How images become a backbone's input.

    Attributes
    ----------
    image_size : (height, width) or None
        None where only the normalisation is known.
    resize : str
        A resize rule of a FeatureSpec.
    interpolation : str
    preprocess : str
        As in a FeatureSpec.
    origin : str
        The file that says so, or what was asked for.
    remark : str
        In what featx differs from the publisher's own code.
    """

    image_size: tuple[int, int] | None
    resize: str
    interpolation: str
    preprocess: str
    origin: str
    remark: str = ""


def check_crop(rule: PublishedResize, crop: tuple[int, int], origin: str) -> None:
    """Raise ConfigError where a crop is larger than what it is cut from."""
    if rule.height < crop[0] or rule.width < crop[1]:
        raise ConfigError(
            f"{origin} crops {crop[0]}×{crop[1]} pixels from images resized to {rule}, which is "
            "smaller. featx does not pad: write a copy with a larger size, and name it with "
            "--preprocess FILE"
        )


def three_numbers(value: Any, key: str, origin: str) -> Channels:
    """Return a number for each channel; raises ConfigError where ``value`` holds something else."""
    values = value if isinstance(value, list | tuple) else [value] * 3
    if len(values) == 1:
        values = [*values] * 3
    if len(values) != 3 or not all(isinstance(v, int | float) for v in values):
        raise ConfigError(
            f"{origin}: {key} holds {value!r}. Expected a number for each of 3 channels"
        )
    return float(values[0]), float(values[1]), float(values[2])


def whole_number(value: Any, key: str, origin: str) -> int:
    """Return a count of pixels; raises ConfigError where ``value`` is none."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"{origin}: {key} holds {value!r}. Expected a number of pixels")
    return value
