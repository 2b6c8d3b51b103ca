"""Reading an ONNX file: its graph, the shapes of its values, and the files of its weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ....cache.errors import ConfigError, WeightsMismatchError
from .graph import SMALL, Graph, Node, Shape, Value

FLOATS = ("float", "double", "float16", "bfloat16", "int8", "uint8")


def read_onnx(path: Path, sizes: dict[str, list[int]] | None = None) -> Graph:
    """Return the graph in an ONNX file.

    Parameters
    ----------
    path : Path
    sizes : dict of str to list of int, optional
        The shapes of inputs in the run: shapes of inner values are worked out for them.

    Raises
    ------
    WeightsMismatchError
        The file is no ONNX model, or a file of its weights is missing.
    """
    import onnx

    model = load_onnx(path)
    for value in model.graph.input:
        if sizes and value.name in sizes:
            _fix_shape(value, sizes[value.name])
    tensors = list(_tensors(model.graph))
    weights, constants, external = {}, {}, {}
    for name, tensor in tensors:
        if onnx.external_data_helper.uses_external_data(tensor):
            location = onnx.external_data_helper.ExternalDataInfo(tensor).location
            external[location] = _beside(path, location)
        dtype = onnx.TensorProto.DataType.Name(tensor.data_type).lower()
        n_values = _size(tensor.dims)
        if dtype.startswith(FLOATS):
            weights[name] = tuple(tensor.dims)
        if n_values <= SMALL and not onnx.external_data_helper.uses_external_data(tensor):
            constants[name] = onnx.numpy_helper.to_array(tensor)
        elif n_values > SMALL:
            tensor.ClearField("raw_data")  # the inference of shapes would copy it
            tensor.ClearField("float_data")
    shapes = {name: tuple(tensor.dims) for name, tensor in tensors} | _infer(model)
    is_weight = {tensor.name for tensor in model.graph.initializer}
    return Graph(
        format="onnx",
        files=(path, *(external[location] for location in sorted(external))),
        nodes=tuple(map(_node, model.graph.node)),
        inputs=tuple(_value(v) for v in model.graph.input if v.name not in is_weight),
        outputs=tuple(map(_value, model.graph.output)),
        shapes=shapes,
        constants=constants,
        weights=weights,
    )


def load_onnx(path: Path) -> Any:
    """Return the ``onnx.ModelProto`` of a file, without weights that lie in other files.

    Raises
    ------
    WeightsMismatchError
        The file is no ONNX model.
    """
    try:
        import onnx
    except ImportError as error:
        raise ConfigError(f"reading {path} needs onnx: pip install onnx") from error
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load(str(path), load_external_data=False)
    except (DecodeError, OSError) as error:
        raise WeightsMismatchError(
            f"{path} is no ONNX model, or is cut short: get or export the file again"
        ) from error
    if not model.graph.node or not model.graph.output:
        raise WeightsMismatchError(f"{path} holds no network: expected an ONNX model with a graph")
    return model


def keep_needed(model: Any, values: Sequence[str]) -> None:
    """Take nodes and weights away that some values are not computed from."""
    wanted = set(values)
    kept = []
    for node in reversed(model.graph.node):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            wanted.update(_captured(node))
            kept.append(node)
    weights = [tensor for tensor in model.graph.initializer if tensor.name in wanted]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(kept[::-1])
    model.graph.initializer.extend(weights)


def _captured(node: Any) -> set[str]:
    """Return the outer values that a node's branches and loops use."""
    names = set()
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                names |= {*inner.input, *_captured(inner)}
    return names


def _tensors(graph: Any) -> Iterator[tuple[str, Any]]:
    """Yield all constants of a graph by the names of their values."""
    for tensor in graph.initializer:
        yield tensor.name, tensor
    for node in graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    yield node.output[0], attribute.t


def _beside(path: Path, location: str) -> Path:
    """Return the file of weights at a location, which must lie in the graph's folder."""
    folder = path.parent.resolve()
    file = path.parent / location
    if folder not in (folder / location).resolve(strict=False).parents and not file.is_symlink():
        raise WeightsMismatchError(
            f"{path} names weights outside of its folder ({location}), which featx does not read"
        )
    if not file.is_file():
        raise WeightsMismatchError(
            f"{path} keeps weights in {location}, which is not beside it: put both files into one "
            "folder under the names that they were exported with"
        )
    return file


def _infer(model: Any) -> dict[str, Shape]:
    """Return the shapes of all values as far as they can be worked out."""
    import onnx

    with suppress(Exception):  # it raises nearly anything; then fewer shapes are known
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    graph = model.graph
    return {
        value.name: _shape(value)
        for value in (*graph.value_info, *graph.input, *graph.output)
        if value.type.tensor_type.HasField("shape")
    }


def _fix_shape(value: Any, sides: list[int]) -> None:
    for dimension, side in zip(value.type.tensor_type.shape.dim, sides, strict=True):
        dimension.dim_value = side


def _node(node: Any) -> Node:
    import onnx

    attributes = {
        a.name: onnx.helper.get_attribute_value(a)
        for a in node.attribute
        if a.type in (a.FLOAT, a.INT, a.INTS, a.FLOATS)
    }
    return Node(node.op_type, node.name, tuple(node.input), tuple(node.output), attributes)


def _value(value: Any) -> Value:
    import onnx

    dtype = onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
    return Value(value.name, _shape(value), dtype)


def _shape(value: Any) -> Shape:
    return tuple(d.dim_value or None for d in value.type.tensor_type.shape.dim)


def _size(sides: Any) -> int:
    n_values = 1
    for side in sides:
        n_values *= int(side)
    return n_values
