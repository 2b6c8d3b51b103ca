"""The backbone `pixels` gives the pixels that every backbone sees, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from featx.extractor.backbones import BACKBONES, weights_present
from featx.extractor.images.decode import decode
from featx.extractor.plan import FeatureOptions, make_plan


@pytest.mark.parametrize("engine", ["keras", "openvino"])
def test_rows_are_the_decoded_pixels(photos: Path, engine: str) -> None:
    plan = make_plan(FeatureOptions(backbone="pixels", image_size=20, precision="float32"))
    paths = sorted(photos.rglob("*.png"))[:3]
    images = np.stack([decode(path.read_bytes(), [plan.geometry])[0] for path in paths])
    (rows,) = plan.build_engine(3, engine).run(images)
    assert rows.shape == (3, 20 * 20 * 3)
    assert (rows == images.reshape(3, -1)).all()


def test_pixels_need_no_weights() -> None:
    assert weights_present(BACKBONES["pixels"])
