"""No library reports about the user: nothing appears in the home folder but Keras' settings."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("openvino")

EVERYTHING = """
import sys
from importlib.util import find_spec

import numpy as np
from featx.extractor import FeatureOptions, extract_features
from featx.extractor.engines.keras_import import import_keras
from featx.extractor.engines.openvino.from_keras import to_openvino

extract_features(
    sys.argv[1], FeatureOptions(image_size=32, precision="float32"), cache="cache"
)
keras = import_keras()
image = keras.Input((8,))
model = keras.Model(image, keras.layers.Dense(2)(image))
to_openvino(model)
model.predict_on_batch(np.zeros((1, 8)))
if find_spec("onnxruntime") and find_spec("tf2onnx"):
    import onnxruntime

    model.export("model.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    session.run(None, {session.get_inputs()[0].name: np.zeros((1, 8), np.float32)})
assert sys.modules["openvino_telemetry"] is None
"""


def test_an_empty_home_stays_without_ids(photos, tmp_path):
    folders = {name: tmp_path / name for name in ("home", "temporary", "work")}
    for folder in folders.values():
        folder.mkdir()
    env = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    env |= {
        "HOME": str(folders["home"]),
        "TMPDIR": str(folders["temporary"]),
        "FEATX_HOME": str(tmp_path / "featx"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-W", "ignore", "-c", EVERYTHING, photos]
    subprocess.run(command, cwd=folders["work"], env=env, check=True)
    assert {path.name for path in folders["home"].rglob("*")} <= {".keras", "keras.json"}
    assert not list(folders["temporary"].iterdir())
