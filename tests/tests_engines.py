"""Engines and networks for tests that compute nothing real."""

from __future__ import annotations

import threading
import time

import numpy as np

from featx.extractor.backbones import find_backbone, find_weights
from featx.extractor.engines import FeatureOutput, Network


class SumEngine:
    """Gives the sum of each image; runs out of memory above ``fits`` images."""

    name = kind = "fake"
    on_accelerator = False
    precision = "float32"

    def __init__(self, batch_size, n_parallel=1, fits=10**9, error=MemoryError):
        self.batch_size, self.n_parallel = batch_size, n_parallel
        self.fits, self.error = fits, error
        self.shapes = []
        self.most = self.now = 0
        self.lock = threading.Lock()

    def run(self, images):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
            self.shapes.append(images.shape)
        time.sleep(0.005)
        try:
            if len(images) > self.fits:
                raise self.error("out of memory")
            return (images.reshape(len(images), -1).sum(axis=1, keepdims=True).astype(np.float32),)
        finally:
            with self.lock:
                self.now -= 1


def network(*outputs, backbone="mobilenet", weights="random:0", size=32, top=False):
    record = find_backbone(backbone)
    chosen = outputs or (FeatureOutput(record.layer, "avg"),)
    return Network(record, find_weights(record, weights, top), tuple(chosen), (size, size))


def pixels(n, size=32, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, size, size, 3), np.uint8)
