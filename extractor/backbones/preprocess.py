"""From 8-bit RGB to what a backbone was trained on, on the device.

The constants are those of ``keras.applications.imagenet_utils.preprocess_input`` and, for ``lite``,
of the EfficientNet-lite release of the TensorFlow TPU repository.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Preprocess:
    """``(x - mean) / scale`` on channels that may first be turned to BGR.

    Attributes
    ----------
    mean, scale : tuple of 3 float
        In the order of the channels after a turn to BGR.
    bgr : bool
    """

    mean: tuple[float, float, float]
    scale: tuple[float, float, float]
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


PREPROCESS = MappingProxyType(
    {
        "none": Preprocess((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        "tf": Preprocess((127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),
        "lite": Preprocess((127.0, 127.0, 127.0), (128.0, 128.0, 128.0)),
        "caffe": Preprocess((103.939, 116.779, 123.68), (1.0, 1.0, 1.0), bgr=True),
        "torch": Preprocess(
            (0.485 * 255, 0.456 * 255, 0.406 * 255), (0.229 * 255, 0.224 * 255, 0.225 * 255)
        ),
    }
)
