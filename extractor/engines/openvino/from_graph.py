"""A graph in a file as an OpenVINO model from uint8 pixels to vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ....cache.errors import ConversionError
from ...backbones.graphs.fold import resized_constants
from ...backbones.graphs.openvino_file import load_openvino
from ...backbones.graphs.pooling import OutputPart, parts_of
from ...backbones.preprocessing import find_preprocess
from ..base import Network, wrong_size
from .openvino_import import import_openvino

TO_CHANNELS_FIRST = (0, 3, 1, 2)
N_CHANNELS = 3


def convert_graph(network: Network) -> Any:
    """Return the ``openvino.Model`` of a network whose backbone is a graph in a file.

    It takes uint8 ``(n, height, width, 3)`` and gives float32 vectors, one output for each of the
    network's. Shapes are fixed but for the batch, and the batch too where the file fixes it.

    Raises
    ------
    ConversionError
        OpenVINO cannot read the file.
    WeightsMismatchError
        The graph does not take images of the network's size.
    """
    model = _read(network)
    values = [_value(model, output.layer) for output in network.outputs]
    image = _parameter(model, network)
    _fold_resizes(model, network, image)
    pixels, prepared = _input(network, image)
    image.output(0).replace(prepared.output(0))
    openvino = import_openvino()
    try:
        converted = openvino.Model(values, [pixels], "featx")
        outputs = [_pooled(network, value, index) for index, value in enumerate(converted.outputs)]
        return _with_batch(openvino.Model(outputs, [pixels], "featx"), network)
    except RuntimeError as error:
        raise wrong_size(network, str(error).strip().splitlines()[-1]) from error


def _with_batch(model: Any, network: Network) -> Any:
    """Return the model with a free batch, or with one image where its graph mixes several."""
    shape = [*model.input(0).get_partial_shape()]
    if not shape[0].is_dynamic:
        return model
    sides = [*network.image_size, N_CHANNELS]
    for n_images in (2, 1):
        trial = model.clone()
        try:
            trial.reshape([n_images, *sides])
        except RuntimeError:
            if n_images == 1:
                raise
            continue
        if all(output.get_shape()[0] == n_images for output in trial.outputs):
            return model if n_images > 1 else trial
    raise ConversionError(f"{network.record.name} does not give one vector for each image")


def _read(network: Network) -> Any:
    path = network.record.path
    if path is None:
        raise ConversionError(f"{network.record.name} is no graph in a file")
    if network.record.format == "openvino":
        return load_openvino(path)
    try:
        return import_openvino().Core().read_model(path)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1][:200]
        raise ConversionError(f"OpenVINO cannot read {path} ({reason})") from error


def _value(model: Any, name: str) -> Any:
    """Return the output of an operation by its tensor's name, or by the operation's."""
    for operation in model.get_ops():
        for output in operation.outputs():
            if name in output.get_names() and operation.get_type_name() != "Result":
                return output
    for operation in model.get_ops():
        if operation.get_friendly_name() in (name, name.rpartition(":")[0]):
            number = name.rpartition(":")[2]
            return operation.output(int(number) if number.isdigit() else 0)
    raise ConversionError(
        f"OpenVINO's form of the graph has no value {name}: it was joined to another"
    )


def _fold_resizes(model: Any, network: Network, image: Any) -> None:
    """Put the position embeddings in that the graph would resize."""
    graph, path = network.record.graph, network.record.path
    if graph is None or graph.format != "onnx" or path is None:
        return
    from openvino import opset13

    batch = image.get_partial_shape()[0]
    n_images = 1 if batch.is_dynamic else batch.get_length()
    sides = graph.sides(n_images, network.image_size)
    for name, values in resized_constants(path, graph.input_name, sides).items():
        _value(model, name).replace(opset13.constant(values).output(0))


def _parameter(model: Any, network: Network) -> Any:
    """Return the image's parameter; fix its shape."""
    graph = network.record.graph
    name = graph.input_name if graph else ""
    for parameter in model.get_parameters():
        if name in (*parameter.output(0).get_names(), parameter.get_friendly_name()):
            return parameter
    raise ConversionError(f"OpenVINO's form of the graph has no input {name}")


def _input(network: Network, image: Any) -> tuple[Any, Any]:
    """Return the pixels' parameter, and the operation that gives what ``image`` gave."""
    from openvino import PartialShape, opset13

    height, width = network.image_size
    batch = image.get_partial_shape()[0]
    n_images = -1 if batch.is_dynamic else batch.get_length()
    shape = PartialShape([n_images, height, width, N_CHANNELS])
    pixels = opset13.parameter(shape, np.uint8, name="image")
    pixels.output(0).tensor.set_names({"image"})
    preprocess = find_preprocess(network.record.preprocess)
    values = opset13.convert(pixels, "f32")
    if preprocess.bgr:
        values = opset13.gather(values, np.array([2, 1, 0]), np.array(3))
    is_last = bool(network.record.graph and network.record.graph.is_channels_last)
    sides = (1, 1, 1, N_CHANNELS) if is_last else (1, N_CHANNELS, 1, 1)
    if not is_last:
        values = opset13.transpose(values, np.array(TO_CHANNELS_FIRST))
    factor = (1 / np.array(preprocess.scale)).astype(np.float32)
    shift = (-np.array(preprocess.mean) / np.array(preprocess.scale)).astype(np.float32)
    if (factor != 1).any():
        values = opset13.multiply(values, opset13.constant(factor.reshape(sides)))
    if shift.any():
        values = opset13.add(values, opset13.constant(shift.reshape(sides)))
    dtype = image.get_element_type().get_type_name()
    return pixels, values if dtype == "f32" else opset13.convert(values, dtype)


def _pooled(network: Network, value: Any, index: int) -> Any:
    """Return the result node of one of the network's outputs."""
    from openvino import opset13

    output = network.outputs[index]
    source = value.get_node().input_value(0)
    sides = source.get_partial_shape()
    shape = [0, *(side.get_length() for side in list(sides)[1:])]
    parts = parts_of(network.record, output.layer, output.pool, shape, network.image_size)
    flat = [_part(source, part) for part in parts]
    vector = flat[0] if len(flat) == 1 else opset13.concat(flat, 1)
    vector = opset13.convert(vector, "f32")
    return opset13.result(vector, name=f"features_{index}")


def _part(source: Any, part: OutputPart) -> Any:
    from openvino import opset13

    value = source
    for axis, start, stop in part.slices:
        ends = (np.array([n]) for n in (start, stop, 1, axis))
        value = opset13.slice(value, *ends)
    if part.reduction:
        reduce: Callable[..., Any] = (
            opset13.reduce_max if part.reduction == "max" else opset13.reduce_mean
        )
        value = reduce(value, np.array(part.axes), False)
    return opset13.reshape(value, np.array([0, -1]), True)
