"""Keras models become OpenVINO models, whatever Keras runs on."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("openvino")

from featx.extractor.engines.keras_import import import_keras
from featx.extractor.engines.openvino import from_keras
from featx.extractor.engines.openvino.from_keras import save, to_openvino
from featx.extractor.engines.openvino.openvino_import import import_openvino


def small_model(n_outputs=1):
    keras = import_keras()
    image = keras.Input((16, 16, 3), dtype="uint8", name="image")
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Conv2D(4, 3, activation="swish")(x)
    x = keras.layers.RandomFlip()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, [keras.layers.Dense(n + 2)(x) for n in range(n_outputs)])


def run(converted, images):
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = import_openvino().Core().compile_model(converted, "CPU", options)
    results = compiled(images)
    return [np.array(results[i]) for i in range(len(compiled.outputs))]


@pytest.mark.parametrize("n_outputs", [1, 12])
def test_outputs_keep_their_numbers_and_their_order(n_outputs):
    model = small_model(n_outputs)
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)
    expected = model.predict_on_batch(images)
    found = run(to_openvino(model), images)
    assert [a.shape for a in found] == [(5, n + 2) for n in range(n_outputs)]
    for a, b in zip(found, expected if n_outputs > 1 else [expected], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_the_names_are_those_of_keras(tmp_path):
    keras = import_keras()
    image = keras.Input((4,), name="image")
    model = keras.Model(image, keras.layers.Dense(2, name="probabilities")(image))
    save(to_openvino(model), tmp_path / "model.xml")
    found = import_openvino().Core().read_model(tmp_path / "model.xml")
    assert found.input("image").get_partial_shape().rank.get_length() == 2
    assert found.output("probabilities").get_node().get_type_name() == "Result"


def test_another_process_converts_where_keras_runs_on_something_else(monkeypatch):
    model = small_model(3)
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)
    here = run(to_openvino(model), images)
    monkeypatch.setattr(from_keras, "CONVERTIBLE", ())
    for a, b in zip(run(to_openvino(model), images), here, strict=True):
        np.testing.assert_array_equal(a, b)


WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = None
import numpy as np
from featx.extractor.engines.openvino.from_keras import converter_backends, to_openvino
from featx.extractor.engines.openvino.openvino_import import import_openvino
from featx.extractor.backbones.efficientnet_lite0 import build
from featx.extractor.backbones.efficientnet_lite0 import EFFICIENTNET_LITE0

assert converter_backends() == []
model = build(include_top=False, input_shape=(64, 64, 3))
model.load_weights(EFFICIENTNET_LITE0.embedded)
images = np.random.default_rng(0).normal(size=(2, 64, 64, 3)).astype(np.float32)
options = {"INFERENCE_PRECISION_HINT": "f32"}
compiled = import_openvino().Core().compile_model(to_openvino(model), "CPU", options)
np.save(sys.argv[1], compiled(images)[0])
"""


def test_without_tensorflow_keras_itself_converts(tmp_path):
    from featx.extractor.backbones.efficientnet_lite0 import EFFICIENTNET_LITE0, build

    path = tmp_path / "features.npy"
    env = {**os.environ, "KERAS_BACKEND": "openvino", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", WITHOUT_TENSORFLOW, path], env=env, check=True)
    model = build(include_top=False, input_shape=(64, 64, 3))
    model.load_weights(EFFICIENTNET_LITE0.embedded)
    images = np.random.default_rng(0).normal(size=(2, 64, 64, 3)).astype(np.float32)
    expected = model.predict_on_batch(images)
    np.testing.assert_allclose(np.load(path), expected, rtol=1e-3, atol=1e-4)
