"""The formats that a model can leave in: how each is written, labelled, and run again."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache.errors import ConfigError
from ....cache.suggest import did_you_mean

METADATA = "featx.json"
Run = Callable[[Path, NDArray[np.uint8]], NDArray[Any]]


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes
    ----------
    name, ending : str
        ``ending`` is empty where the result is a folder.
    modules : tuple of str
        What must be installed.
    write : callable
        Takes the Keras model, a path and the metadata as JSON text.
    run : callable
        Takes a path and uint8 images, returns probabilities; as a stranger would run it.
    """

    name: str
    ending: str
    modules: tuple[str, ...]
    write: Callable[[Any, Path, str], None]
    run: Run


def find_format(name: str) -> Format:
    """Return a format by its name; raises ConfigError with close matches."""
    if name not in FORMATS:
        raise ConfigError(f"unknown format {name!r}. {did_you_mean(name, FORMATS)}")
    return FORMATS[name]


def _write_keras(model: Any, path: Path, metadata: str) -> None:
    model.save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(METADATA, metadata)


def _run_keras(path: Path, images: NDArray[np.uint8]) -> NDArray[Any]:
    import keras

    return np.asarray(keras.saving.load_model(path, compile=False).predict_on_batch(images))


def _write_savedmodel(model: Any, path: Path, metadata: str) -> None:
    model.export(str(path), format="tf_saved_model", verbose=False)
    extra = path / "assets.extra"
    extra.mkdir(exist_ok=True)
    (extra / METADATA).write_text(metadata, encoding="utf-8")


def _run_savedmodel(path: Path, images: NDArray[np.uint8]) -> NDArray[Any]:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    return np.asarray(loaded.serve(images))


def _write_onnx(model: Any, path: Path, metadata: str) -> None:
    import onnx

    # Keras asks for the shapes of a call; without one it refuses to export to ONNX.
    model.predict_on_batch(np.zeros((1, *model.input_shape[1:]), np.uint8))
    model.export(str(path), format="onnx", verbose=False)
    graph = onnx.load(str(path))
    for key, value in _texts(metadata).items():
        entry = graph.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(graph, str(path))


def _run_onnx(path: Path, images: NDArray[np.uint8]) -> NDArray[Any]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: images})[0])


def _write_openvino(model: Any, path: Path, metadata: str) -> None:
    from ....extractor.engines.openvino.from_keras import save, to_openvino

    graph = to_openvino(model)
    for key, value in _texts(metadata).items():
        graph.set_rt_info(value, ["featx", key])
    # Half-precision constants would move probabilities by more than featx promises.
    save(graph, path)


def _run_openvino(path: Path, images: NDArray[np.uint8]) -> NDArray[Any]:
    import openvino

    options = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(str(path), "CPU", options)
    return np.asarray(compiled(images)[0])


def _write_tflite(model: Any, path: Path, metadata: str) -> None:
    model.export(str(path), format="litert", verbose=False)
    # As TensorFlow Lite Metadata does: associated files are a zip behind the model.
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(METADATA, metadata)
        archive.writestr("labels.txt", "\n".join(json.loads(metadata)["labels"]) + "\n")


def _run_tflite(path: Path, images: NDArray[np.uint8]) -> NDArray[Any]:
    interpreter = _interpreter()(str(path))
    entry = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(entry, images.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(entry, images)
    interpreter.invoke()
    return np.array(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


def _interpreter() -> Any:
    """Return TensorFlow Lite's interpreter, from where it moves to or from where it was."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tensorflow import lite

        return lite.Interpreter
    return Interpreter


def _texts(metadata: str) -> dict[str, str]:
    """Return the metadata's entries as texts; what is no text stays JSON."""
    entries = json.loads(metadata)
    return {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in entries.items()
    }


_ALL = (
    Format("keras", ".keras", (), _write_keras, _run_keras),
    Format("savedmodel", "", ("tensorflow",), _write_savedmodel, _run_savedmodel),
    Format("onnx", ".onnx", ("tf2onnx", "onnx", "onnxruntime"), _write_onnx, _run_onnx),
    Format("openvino", ".xml", ("openvino",), _write_openvino, _run_openvino),
    Format("tflite", ".tflite", ("tensorflow",), _write_tflite, _run_tflite),
)
FORMATS: Mapping[str, Format] = MappingProxyType({form.name: form for form in _ALL})
