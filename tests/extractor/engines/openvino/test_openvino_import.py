from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("openvino")

LAZY = """
import sys
from featx.extractor.engines.openvino.openvino_import import CONVERTER, import_openvino

openvino = import_openvino()
assert openvino is import_openvino()
assert CONVERTER not in sys.modules
assert openvino.Core().available_devices
try:
    openvino.convert_model("there is no such model")
except Exception as error:
    assert "there is no such model" in str(error), error
else:
    raise AssertionError("a model that is not there was converted")
assert CONVERTER in sys.modules
"""

AFTER_OTHERS = """
import openvino
from featx.extractor.engines.openvino.openvino_import import import_openvino

converter = openvino.convert_model
assert import_openvino() is openvino and openvino.convert_model is converter
"""


@pytest.mark.parametrize("code", [LAZY, AFTER_OTHERS])
def test_the_converter_is_loaded_when_it_is_called(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
