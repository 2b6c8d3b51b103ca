from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from featx.cache.errors import ConfigError, WeightsMismatchError, WeightsNotFoundError
from featx.extractor.backbones import build_backbone, find_backbone, find_weights, weights_present
from featx.extractor.backbones.weights import keras_path


def test_random_weights_are_the_same_for_the_same_seed() -> None:
    record = find_backbone("mobilenet")
    weights = [find_weights(record, f"random:{seed}", False) for seed in (0, 0, 1)]
    assert weights[0].digest == weights[1].digest != weights[2].digest
    models = [build_backbone(record, w, (32, 32)) for w in weights]
    kernels = [model.get_weights() for model in models]
    assert all(np.array_equal(a, b) for a, b in zip(kernels[0], kernels[1], strict=True))
    assert not np.array_equal(kernels[0][0], kernels[2][0])


def test_a_file_in_keras_cache_folder_is_used_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    record = find_backbone("mobilenet")
    model = build_backbone(record, find_weights(record, "random:3", False), (32, 32))
    path = keras_path(record.weights)
    path.parent.mkdir(parents=True)
    made = tmp_path / "made.weights.h5"
    model.save_weights(made)
    path.write_bytes(made.read_bytes())
    assert weights_present(record)
    digest = hashlib.md5(path.read_bytes()).hexdigest()
    published = replace(record, weights=replace(record.weights, checksum=digest))
    found = find_weights(published, "imagenet", False)
    assert found.path == path
    assert found.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    cut = replace(record, weights=replace(record.weights, checksum="0" * 32))
    with pytest.raises(WeightsMismatchError, match="Delete it"):
        find_weights(cut, "imagenet", False)


def test_a_weights_file_is_loaded(tmp_path: Path) -> None:
    record = find_backbone("mobilenet")
    model = build_backbone(record, find_weights(record, "random:3", False), (32, 32))
    path = tmp_path / "mine.weights.h5"
    model.save_weights(path)
    loaded = build_backbone(record, find_weights(record, str(path), False), (32, 32))
    pairs = zip(model.get_weights(), loaded.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    damaged = tmp_path / "damaged.weights.h5"
    damaged.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(WeightsMismatchError, match="damaged"):
        build_backbone(record, find_weights(record, str(damaged), False), (32, 32))


def test_wrong_choices() -> None:
    record = find_backbone("mobilenet")
    with pytest.raises(WeightsNotFoundError, match="no weights file at"):
        find_weights(record, "nowhere.h5", False)
    with pytest.raises(ConfigError, match="random:0"):
        find_weights(record, "random:x", False)
