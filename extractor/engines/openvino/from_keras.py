"""Turning a Keras model into an OpenVINO model, on every supported Python and Keras backend.

OpenVINO's own ``convert_model`` needs a Python layer that fails on Python 3.13 and reports to an
analytics service. Its runtime reads a frozen TensorFlow graph without that layer, and the passes
below, in this order, then give what ``convert_model`` gives, bit for bit.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ....cache.errors import ConversionError, MissingLibraryError
from ..keras_import import import_keras
from .openvino_import import import_openvino

CONVERTIBLE = ("tensorflow", "openvino")
"""Keras backends whose models OpenVINO takes."""

SHOWN_LINES = 3
SUMMARY = "-- "
"""Begins each line of the summary that OpenVINO's front ends give."""


def to_openvino(model: Any) -> Any:
    """Return the ``openvino.Model`` of a Keras model with one input; outputs keep their order.

    Weights stay float32. The input and a single output get the names that they have in Keras. Where
    Keras runs on JAX or PyTorch, a process with another backend converts, so the model must consist
    of Keras' own layers.

    Raises
    ------
    ConversionError
        OpenVINO cannot convert the model.
    """
    backend = import_keras().backend.backend()
    if backend not in CONVERTIBLE:
        _check_converter()
        return _in_another_process(model)
    converted = _through_tensorflow(model) if backend == "tensorflow" else _through_keras(model)
    from openvino._offline_transformations import apply_moc_transformations
    from openvino.preprocess import PrePostProcessor

    converted = PrePostProcessor(converted).build()
    apply_moc_transformations(converted, cf=backend == "openvino", smart_reshape=True)
    converted.inputs[0].tensor.set_names({model.inputs[0].name})
    names = getattr(model, "output_names", ())  # a Sequential has none
    if len(names) == 1:
        converted.outputs[0].tensor.set_names(set(names))
    return converted


def save(converted: Any, path: Path) -> None:
    """Write an OpenVINO model as ``path`` (``.xml``) and the ``.bin`` beside it, in float32."""
    import_openvino().save_model(converted, path, compress_to_fp16=False)


def converter_backends() -> list[str]:
    """Return the Keras backends that convert a network, in the order in which they are tried.

    TensorFlow's graph lets OpenVINO fold normalisation and batch norms into convolutions. What
    Keras' own OpenVINO backend makes is several times slower and gives other numbers, so it only
    takes what TensorFlow cannot. None without TensorFlow.
    """
    return ["tensorflow", "openvino"] if find_spec("tensorflow") else []


def run_converter(
    backend: str, arguments: list[str], stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run a module in a process of its own under a Keras backend.

    The calling process stays small, and the user's ``KERAS_BACKEND`` does not matter.
    """
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    command = [sys.executable, "-W", "ignore", "-m", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, env=environment, check=False)


def failure_reason(stderr: bytes) -> str:
    """Return OpenVINO's summary of a failed conversion, else the last lines of standard error."""
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    summary = [line.removeprefix(SUMMARY) for line in lines if line.startswith(SUMMARY)]
    return " | ".join(summary or lines[-SHOWN_LINES:]) or "no reason given"


def _check_converter() -> None:
    if not converter_backends():
        raise MissingLibraryError(
            "what turns Keras models into OpenVINO's is TensorFlow, which is not installed: pip "
            "install tensorflow"
        )


def _in_another_process(model: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        saved, written = Path(folder) / "model.keras", Path(folder) / "model.xml"
        model.save(saved)
        done = run_converter(converter_backends()[0], [__name__, str(saved), str(written)])
        if done.returncode:
            raise ConversionError(
                f"OpenVINO cannot convert the model: {failure_reason(done.stderr)}"
            )
        return _read(written)


def _read(path: Path) -> Any:
    """Read a model into memory: its files may go."""
    return import_openvino().Core().read_model(path, config={"ENABLE_MMAP": False})


def _through_tensorflow(model: Any) -> Any:
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    def call(image: Any) -> Any:
        return model(image, training=False)

    image = tf.TensorSpec(model.inputs[0].shape, model.inputs[0].dtype)
    traced = tf.function(call, input_signature=[image]).get_concrete_function()
    frozen = convert_variables_to_constants_v2(traced)
    with tempfile.TemporaryDirectory() as folder:
        tf.io.write_graph(frozen.graph, folder, "frozen.pb", as_text=False)
        converted = _read(Path(folder) / "frozen.pb")
    outputs = [converted.output(tensor.name).get_node() for tensor in frozen.outputs]
    return import_openvino().Model(outputs, converted.get_parameters())


def _through_keras(model: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "exported.xml"
        model.export(str(exported), format="openvino", verbose=False)
        return _read(exported)


def main() -> int:
    """Convert the ``.keras`` file that is named first into the ``.xml`` that is named second."""
    model = import_keras().saving.load_model(sys.argv[1], compile=False, safe_mode=True)
    save(to_openvino(model), Path(sys.argv[2]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
