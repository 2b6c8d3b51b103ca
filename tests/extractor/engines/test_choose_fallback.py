"""What happens where OpenVINO cannot convert a network."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from featx.cache import FeatureStore
from featx.cache.errors import ConversionError
from featx.extractor import FeatureOptions, RunOptions, extract_features


@pytest.fixture
def augmenting(tmp_path: Path) -> Path:
    """A model with a layer for which OpenVINO has no rule."""
    from featx.extractor.keras_import import import_keras

    keras = import_keras()
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.RandomFlip()(inputs)
    x = keras.layers.Conv2D(4, 3, name="conv")(x)
    path = tmp_path / "mine.keras"
    keras.Model(inputs, x).save(path)
    return path


def test_auto_falls_back_to_keras_and_openvino_says_why(
    augmenting: Path, photos: Path, tmp_path: Path
) -> None:
    options = FeatureOptions(backbone=str(augmenting), preprocess="tf", precision="float32")
    report = extract_features(photos, options, cache=tmp_path / "c")
    assert report.record.engine.startswith("keras/")
    assert np.isfinite(FeatureStore(tmp_path / "c").open_features().X[:]).all()
    if find_spec("openvino"):
        with pytest.raises(ConversionError, match="--engine keras"):
            run = RunOptions(engine="openvino")
            extract_features(photos, options, cache=tmp_path / "d", run=run)
