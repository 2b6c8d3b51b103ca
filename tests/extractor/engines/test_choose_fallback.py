"""What happens where OpenVINO cannot convert a network."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from featx.cache import FeatureStore
from featx.cache.errors import ConversionError, MissingLibraryError
from featx.extractor import FeatureOptions, RunOptions, extract_features
from featx.extractor.engines import build_engine
from featx.extractor.engines.model_folder import model_folder
from featx.extractor.engines.openvino import convert
from tests_engines import network


@pytest.fixture
def with_svd(tmp_path: Path) -> Path:
    """A model with an operation that OpenVINO does not have."""
    from featx.extractor.engines.keras_import import import_keras

    keras = import_keras()
    inputs = keras.Input((32, 32, 3))
    x = keras.ops.svd(inputs, compute_uv=False)
    x = keras.layers.Conv2D(4, 3, name="conv")(keras.layers.Reshape((32, 3, 1))(x))
    path = tmp_path / "mine.keras"
    keras.Model(inputs, x).save(path)
    return path


def test_auto_falls_back_to_keras_and_openvino_says_why(
    with_svd: Path, photos: Path, tmp_path: Path
) -> None:
    options = FeatureOptions(backbone=str(with_svd), preprocess="tf", precision="float32")
    report = extract_features(photos, options, cache=tmp_path / "c")
    assert report.record.engine.startswith("keras/")
    assert np.isfinite(FeatureStore(tmp_path / "c").open_features().X[:]).all()
    if find_spec("openvino"):
        with pytest.raises(ConversionError, match="--engine keras"):
            run = RunOptions(engine="openvino")
            extract_features(photos, options, cache=tmp_path / "d", run=run)


@pytest.mark.skipif(not find_spec("openvino"), reason="OpenVINO is not installed")
def test_a_refusal_is_remembered_and_told(
    with_svd: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = FeatureOptions(backbone=str(with_svd), preprocess="tf", precision="float32")
    first = extract_features(photos, options, cache=tmp_path / "c")
    assert any(
        "OpenVINO cannot convert mine.keras (No conversion rule" in warning
        for warning in first.warnings
    )
    monkeypatch.setattr(convert, "run_converter", _no_process)
    again = extract_features(photos, options, cache=tmp_path / "d")
    assert again.record.engine == first.record.engine and again.warnings == first.warnings
    with pytest.raises(ConversionError, match="found by an earlier run"):
        extract_features(photos, options, cache=tmp_path / "e", run=RunOptions(engine="openvino"))
    asked = RunOptions(engine="keras")
    assert not extract_features(photos, options, cache=tmp_path / "f", run=asked).warnings


@pytest.mark.parametrize(
    ("stderr", "returncode"),
    [(b"", -9), (b"MemoryError: Unable to allocate", 1), (b"std::bad_alloc", 1)],
)
def test_a_conversion_that_was_cut_short_is_tried_again(
    stderr: bytes, returncode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = network(weights="random:7")
    done = subprocess.CompletedProcess([], returncode, b"", stderr)
    monkeypatch.setattr(convert, "run_converter", lambda *_: done)
    with pytest.raises(ConversionError):
        convert.convert(one, model_folder(one))
    assert not model_folder(one).refusal()


def test_a_library_that_is_missing_is_named_and_is_no_fault_of_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keras.py").write_text("raise ModuleNotFoundError('none', name='keras')")
    monkeypatch.syspath_prepend(tmp_path)
    one = network(weights="random:8")
    with pytest.raises(MissingLibraryError, match=r"needs keras.*pip install keras"):
        convert.convert(one, model_folder(one))
    assert not model_folder(one).refusal()


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
@pytest.mark.skipif(not find_spec("openvino"), reason="OpenVINO is not installed")
def test_without_the_converter_a_network_is_refused_not_computed_slowly(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setattr(convert, "run_converter", _no_process)
    one = network(weights="random:9")
    for engine in ("auto", "openvino"):
        with pytest.raises(MissingLibraryError, match=r"pip install tensorflow.*featx model pack"):
            build_engine(one, "float32", engine, 8)
    assert not model_folder(one).refusal()


def _no_process(*_: object, **__: object) -> None:
    raise AssertionError("the network is converted again")
