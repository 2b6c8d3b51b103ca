"""A machine with two fast formats, whose engine drifts by an angle that tests set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from featx.cache import PRECISIONS
from featx.extractor.engines import choose
from featx.extractor.engines.openvino.engine import OPENVINO


class TurningEngine:
    """Gives the mean colour of each image; in fast formats turned away by an angle.

    Noisy images are turned further, by the share ``by_noise`` for each grey level of noise.
    """

    kind, on_accelerator, n_parallel, name = "openvino", False, 1, "turning"

    def __init__(self, n_outputs, precision, batch_size, angle, by_noise):
        self.n_outputs = n_outputs
        self.precision, self.batch_size = precision, batch_size
        self.angle, self.by_noise = angle, by_noise

    def run(self, images):
        noise = np.abs(np.diff(images.astype(np.float32), axis=2)).mean(axis=(1, 2, 3))
        angle = self.angle * (1 + self.by_noise * noise)
        length = 1 + images.mean(axis=(1, 2, 3))
        rows = np.stack([length * np.cos(angle), length * np.sin(angle)], axis=1)
        return (rows.astype(np.float32),) * self.n_outputs


class Machine:
    """The engine's angles by precision, and what was built of it."""

    def __init__(self):
        self.angles = {"float32": 0.0, "bfloat16": 0.1, "float16": 0.001}
        self.by_noise = 0.0
        self.formats = ("bfloat16", "float16")
        self.built = []

    def build(self, network, precision, batch_size):
        self.built.append(precision)
        angle, n_outputs = self.angles[precision], len(network.outputs)
        return TurningEngine(n_outputs, precision, batch_size, angle, self.by_noise)


class Listener:
    """An observer that keeps what it is told."""

    def __init__(self):
        self.told = []

    def begin(self, n_images, task):
        pass

    def advance(self, n_images):
        pass

    def say(self, text):
        self.told.append(text)


@pytest.fixture
def listener():
    return Listener()


@pytest.fixture
def machine(tmp_path, monkeypatch):
    made = Machine()
    record = replace(
        OPENVINO,
        build=made.build,
        runs_on=lambda hardware: True,
        precisions=lambda hardware: PRECISIONS,
        fast_precisions=lambda hardware: made.formats,
    )
    monkeypatch.setattr(choose, "ENGINES", {"openvino": record})
    monkeypatch.setenv("FEATX_HOME", str(tmp_path / "home"))
    return made
