"""Normalisation: from 8-bit RGB to the numbers that a backbone takes."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from ....cache.errors import ConfigError

Channels = tuple[float, float, float]
NUMBERS = r"(-?[\d.e+-]+),(-?[\d.e+-]+),(-?[\d.e+-]+)"
PATTERN = re.compile(rf"mean:{NUMBERS};scale:{NUMBERS}(;bgr)?")
MAX_VALUE = 255.0


@dataclass(frozen=True)
class Preprocess:
    """``(x - mean) / scale`` on channels that may first be turned to BGR, on the device.

    Attributes
    ----------
    mean, scale : tuple of 3 float
        In the order of the channels after a turn to BGR.
    bgr : bool
    """

    mean: Channels
    scale: Channels
    bgr: bool = False

    def __call__(self, x: Any) -> Any:
        """Return the backbone's input for uint8 RGB ``(n, h, w, 3)`` as float32, any backend."""
        from keras import ops

        x = ops.cast(x, "float32")
        if self.bgr:
            x = ops.flip(x, axis=-1)
        if any(self.mean):
            x = x - np.array(self.mean, np.float32)
        if self.scale != (1.0, 1.0, 1.0):
            x = x / np.array(self.scale, np.float32)
        return x

    @property
    def name(self) -> str:
        """Its name in ``PREPROCESS``; of another one all its numbers, as a FeatureSpec has them."""
        for name, other in PREPROCESS.items():
            if self.bgr == other.bgr and self._rounded == other._rounded:
                return name
        mean, scale = (",".join(map(str, np.array(v, np.float32))) for v in (self.mean, self.scale))
        return f"mean:{mean};scale:{scale}" + (";bgr" if self.bgr else "")

    @property
    def _rounded(self) -> list[float]:
        values: list[float] = np.array([*self.mean, *self.scale], np.float32).tolist()
        return values


def from_published(
    mean: Channels, std: Channels, factor: float = 1 / MAX_VALUE, bgr: bool = False
) -> Preprocess:
    """Return the normalisation ``(x * factor - mean) / std``."""
    shift, scale = ([value / factor for value in values] for values in (mean, std))
    return Preprocess((shift[0], shift[1], shift[2]), (scale[0], scale[1], scale[2]), bgr)


# The constants of ``keras.applications.imagenet_utils.preprocess_input`` and, for ``lite``, of the
# EfficientNet-lite release of the TensorFlow TPU repository; ``clip`` those of OpenAI's CLIP,
# ``unit`` pixels from 0 to 1.
PREPROCESS = MappingProxyType(
    {
        "none": Preprocess((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        "unit": Preprocess((0.0, 0.0, 0.0), (255.0, 255.0, 255.0)),
        "tf": Preprocess((127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),
        "lite": Preprocess((127.0, 127.0, 127.0), (128.0, 128.0, 128.0)),
        "caffe": Preprocess((103.939, 116.779, 123.68), (1.0, 1.0, 1.0), bgr=True),
        "torch": Preprocess(
            (0.485 * 255, 0.456 * 255, 0.406 * 255), (0.229 * 255, 0.224 * 255, 0.225 * 255)
        ),
        "clip": from_published(
            (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
        ),
    }
)
ALIASES = MappingProxyType({"imagenet": "torch", "inception": "tf"})
"""What PyTorch's users call two of them."""

CHOICES = (*ALIASES, *PREPROCESS)


def find_preprocess(text: str) -> Preprocess:
    """Return the normalisation of a name, or of the numbers that a FeatureSpec holds.

    Raises
    ------
    ConfigError
        It is neither.
    """
    name = ALIASES.get(text, text)
    if name in PREPROCESS:
        return PREPROCESS[name]
    match = PATTERN.fullmatch(text)
    try:
        values = [float(value) for value in match.groups()[:6]] if match else []
    except ValueError:
        values = []
    if not values or not all(map(math.isfinite, values)) or not all(values[3:]):
        raise ConfigError(f"unknown preprocess mode {text!r}: expected one of {', '.join(CHOICES)}")
    a, b, c, d, e, f = values
    return Preprocess((a, b, c), (d, e, f), bool(match and match[7]))
