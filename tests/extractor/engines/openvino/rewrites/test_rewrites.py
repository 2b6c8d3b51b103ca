"""What is rewritten before a network is compiled changes none of its features."""

from __future__ import annotations

import numpy as np
import pytest

from featx.extractor.backbones import BACKBONES
from featx.extractor.engines.openvino import engine as openvino_engine
from tests_engines import network, pixels

pytest.importorskip("openvino")

LIGHT = ("mobilenet_v3_small",)
# The deepest networks with random weights make this of float32's rounding.
LOST = 1e-4
BATCH = 4
by_cost = [
    pytest.param(name, marks=() if name in LIGHT else pytest.mark.long)
    for name in sorted(BACKBONES, key=lambda name: BACKBONES[name].gmacs)
    if not BACKBONES[name].is_embedded
]


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("name", by_cost)
def test_rewrites_change_no_features_of(name, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    size = BACKBONES[name].image_size
    images, chosen = pixels(BATCH, size), network(backbone=name, size=size)
    (found,) = openvino_engine.OpenVinoEngine(chosen, "float32", BATCH).run(images)
    for rewrite in ("fuse_input", "select_used_tokens", "split_batch"):
        monkeypatch.setattr(openvino_engine, rewrite, lambda model: None)
    (expected,) = openvino_engine.OpenVinoEngine(chosen, "float32", BATCH).run(images)
    assert np.isfinite(expected).all()
    assert np.ptp(expected) > 0
    cosine = (found * expected).sum(1) / np.linalg.norm(found, axis=1)
    assert (cosine / np.linalg.norm(expected, axis=1)).min() > 1 - LOST
