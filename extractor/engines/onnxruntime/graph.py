"""A graph in an ONNX file as an ONNX model from uint8 pixels to vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache.errors import ConversionError, WeightsMismatchError
from ...backbones.graphs.onnx_file import keep_needed, load_onnx, read_onnx
from ...backbones.graphs.pooling import OutputPart, parts_of
from ...backbones.preprocessing import find_preprocess
from ...backbones.record import GraphInput
from ...machine.hardware import thread_limit
from ..base import Network, wrong_size

IMAGE, GRAPH_IMAGE = "image", "featx_graph_image"
PREFIX = "featx_"
BATCH = "n"
TO_CHANNELS_FIRST = (0, 3, 1, 2)
N_CHANNELS = 3
WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"
ERRORS_ONLY = 3
OLDEST_OPSET = 10
"""Before it, Slice takes its ends as attributes."""

AXES_AS_INPUT = {"ReduceMax": 18, "ReduceMean": 18}
"""From which version of the operators on axes are an input."""


class OnnxBuilder:
    """Adds operations to an ONNX graph.

    Parameters
    ----------
    model : onnx.ModelProto
    prefix : str
        Begins the names of its values.
    """

    def __init__(self, model: Any, prefix: str) -> None:
        self.graph, self._prefix = model.graph, prefix
        domains = {entry.domain: entry.version for entry in model.opset_import}
        self.opset = domains.get("", 0)
        self.nodes: list[Any] = []
        self._n_values = 0

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add an operation and return the name of its value."""
        import onnx

        name = self._name()
        self.nodes.append(onnx.helper.make_node(kind, [*inputs], [name], **attributes))
        return name

    def constant(self, values: NDArray[Any] | Sequence[int]) -> str:
        """Add a constant and return its name; whole numbers become int64."""
        import onnx

        array = values if isinstance(values, np.ndarray) else np.array(values, np.int64)
        name = self._name()
        self.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
        return name

    def reduce(self, kind: str, value: str, axes: Sequence[int]) -> str:
        """Add a reduction that takes ``axes`` away."""
        if self.opset >= AXES_AS_INPUT[kind]:
            return self.add(kind, value, self.constant(axes), keepdims=0)
        return self.add(kind, value, axes=[*axes], keepdims=0)

    def _name(self) -> str:
        self._n_values += 1
        return f"{self._prefix}{self._n_values}"


def pixels_to_vectors(network: Network) -> tuple[Any, list[str]]:
    """Return the ``onnx.ModelProto`` and the names of its outputs, one for each of the network's.

    It takes ``image``, uint8 ``(n, height, width, 3)``, and gives float32 vectors. Weights in other
    files stay there.

    Raises
    ------
    ConversionError
        The file's operators are too old.
    WeightsMismatchError
        The graph does not take images of the network's size.
    """
    import onnx

    graph, path = network.record.graph, network.record.path
    if graph is None or path is None:
        raise ConversionError(f"{network.record.name} is no graph in an ONNX file")
    model = load_onnx(path)
    layers = [output.layer for output in network.outputs]
    shapes = _shapes(network, graph, layers)
    keep_needed(model, layers)
    before, after = OnnxBuilder(model, f"{PREFIX}in_"), OnnxBuilder(model, f"{PREFIX}out_")
    if before.opset < OLDEST_OPSET:
        raise WeightsMismatchError(
            f"{path} uses version {before.opset} of ONNX' operators: featx needs {OLDEST_OPSET} or "
            "newer. Export it again"
        )
    _rename(model, IMAGE, GRAPH_IMAGE)
    _feed(before, network, graph, model)
    names = [
        _pooled(after, network, index, shapes[output.layer])
        for index, output in enumerate(network.outputs)
    ]
    nodes = [*before.nodes, *model.graph.node, *after.nodes]
    del model.graph.node[:], model.graph.output[:], model.graph.value_info[:]
    model.graph.node.extend(nodes)
    make = onnx.helper.make_tensor_value_info
    model.graph.output.extend(make(name, onnx.TensorProto.FLOAT, [BATCH, None]) for name in names)
    return model, names


def _shapes(network: Network, graph: GraphInput, layers: Sequence[str]) -> dict[str, list[int]]:
    """Return the shape of each layer's output for one image of the network's size."""
    path = network.record.path
    if path is None:
        raise ConversionError(f"{network.record.name} is no graph in an ONNX file")
    raw = read_onnx(path)
    image = next(value for value in raw.inputs if value.name == graph.input_name)
    sides = graph.sides(image.shape[0] or 1, network.image_size)
    known = read_onnx(path, {graph.input_name: sides}).shapes
    shapes = {}
    for layer in layers:
        shape = known.get(layer, ())
        if not shape or None in shape[1:]:
            shape = _measured_shape(network, graph, layer, sides)
        shapes[layer] = [0, *(int(side or 0) for side in shape[1:])]
    return shapes


def _measured_shape(
    network: Network, graph: GraphInput, layer: str, sides: Sequence[int]
) -> tuple[int, ...]:
    """Run one black image to learn a shape that cannot be worked out."""
    import onnx
    import onnxruntime

    path = network.record.path
    if path is None:
        raise ConversionError(f"{network.record.name} is no graph in an ONNX file")
    model = load_onnx(path)
    keep_needed(model, [layer])
    (image,) = [value for value in model.graph.input if value.name == graph.input_name]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(image.type.tensor_type.elem_type)
    del model.graph.output[:], model.graph.value_info[:], model.graph.input[:]
    model.graph.input.append(image)
    model.graph.output.append(onnx.ValueInfoProto(name=layer))
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), session_options(network), providers=["CPUExecutionProvider"]
        )
        (output,) = session.run(None, {graph.input_name: np.zeros(sides, dtype)})
    except Exception as error:
        raise wrong_size(network, str(error).strip().splitlines()[0]) from error
    return tuple(output.shape)


def session_options(network: Network) -> Any:
    """Return the options of a session: its threads, its silence, and where weights lie."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    if limit := thread_limit():
        options.intra_op_num_threads = limit
    if network.record.path is not None:
        folder = str(network.record.path.parent.absolute())
        options.add_session_config_entry(WEIGHTS_FOLDER, folder)
    return options


def _rename(model: Any, name: str, other: str) -> None:
    """Call a value of the graph otherwise."""
    graph = model.graph
    for value in (*graph.input, *graph.initializer):
        value.name = other if value.name == name else value.name
    for node in graph.node:
        for names in (node.input, node.output):
            for index, old in enumerate(names):
                names[index] = other if old == name else old


def _feed(builder: OnnxBuilder, network: Network, graph: GraphInput, model: Any) -> None:
    """Put the normalisation of pixels before the graph's own input."""
    import onnx

    name = GRAPH_IMAGE if graph.input_name == IMAGE else graph.input_name
    (image,) = [value for value in model.graph.input if value.name == name]
    first = image.type.tensor_type.shape.dim[0]
    batch = first.dim_value or BATCH
    element = image.type.tensor_type.elem_type
    preprocess = find_preprocess(network.record.preprocess)
    value = builder.add("Cast", IMAGE, to=onnx.TensorProto.FLOAT)
    if preprocess.bgr:
        value = builder.add("Gather", value, builder.constant([2, 1, 0]), axis=3)
    if not graph.is_channels_last:
        value = builder.add("Transpose", value, perm=TO_CHANNELS_FIRST)
    sides = (1, 1, 1, N_CHANNELS) if graph.is_channels_last else (1, N_CHANNELS, 1, 1)
    if any(preprocess.mean):
        mean = np.array(preprocess.mean, np.float32).reshape(sides)
        value = builder.add("Sub", value, builder.constant(mean))
    if preprocess.scale != (1.0, 1.0, 1.0):
        scale = np.array(preprocess.scale, np.float32).reshape(sides)
        value = builder.add("Div", value, builder.constant(scale))
    builder.nodes.append(onnx.helper.make_node("Cast", [value], [name], to=element))
    weights = {tensor.name for tensor in model.graph.initializer}
    kept = [value for value in model.graph.input if value.name in weights]
    del model.graph.input[:]
    shape = [batch, *network.image_size, N_CHANNELS]
    make = onnx.helper.make_tensor_value_info
    model.graph.input.extend([make(IMAGE, onnx.TensorProto.UINT8, shape), *kept])


def _pooled(builder: OnnxBuilder, network: Network, index: int, shape: Sequence[int]) -> str:
    import onnx

    output = network.outputs[index]
    parts = parts_of(network.record, output.layer, output.pool, shape, network.image_size)
    flat = [_part(builder, output.layer, part) for part in parts]
    value = flat[0] if len(flat) == 1 else builder.add("Concat", *flat, axis=1)
    return builder.add("Cast", value, to=onnx.TensorProto.FLOAT)


def _part(builder: OnnxBuilder, value: str, part: OutputPart) -> str:
    for axis, start, stop in part.slices:
        ends = (builder.constant([n]) for n in (start, stop, axis))
        value = builder.add("Slice", value, *ends)
    if part.reduction:
        kind = "ReduceMax" if part.reduction == "max" else "ReduceMean"
        value = builder.reduce(kind, value, part.axes)
    return builder.add("Flatten", value, axis=1)
