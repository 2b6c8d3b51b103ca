"""Reading a model in OpenVINO's own format: an ``.xml`` and the ``.bin`` beside it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ....cache.errors import ConfigError, WeightsMismatchError
from .graph import SMALL, Graph, Node, Shape, Value

KINDS = {
    "Convolution": "Conv",
    "Multiply": "Mul",
    "Divide": "Div",
    "Subtract": "Sub",
    "Convert": "Cast",
}
"""What ONNX calls the operations that featx asks about."""

FLOATS = ("f64", "f32", "f16", "bf16", "i8", "u8")
WEIGHTS = ".bin"


def read_openvino(path: Path, sizes: dict[str, list[int]] | None = None) -> Graph:
    """Return the graph of an OpenVINO model; arguments and errors as in ``read_onnx``."""
    model = load_openvino(path)
    if sizes:
        with suppress(RuntimeError):  # the engine says why, where it is run at that size
            model.reshape(sizes)
    nodes: list[Node] = []
    shapes: dict[str, Shape] = {}
    constants: dict[str, NDArray[Any]] = {}
    weights: dict[str, Shape] = {}
    for operation in model.get_ordered_ops():
        outputs = tuple(_name(output) for output in operation.outputs())
        for output, name in zip(operation.outputs(), outputs, strict=True):
            shapes[name] = _shape(output.get_partial_shape())
        if operation.get_type_name() == "Constant":
            _keep_constant(operation, outputs[0], constants, weights)
        elif operation.get_type_name() not in ("Parameter", "Result"):
            inputs = tuple(
                _name(operation.input_value(i)) for i in range(operation.get_input_size())
            )
            kind = operation.get_type_name()
            name = operation.get_friendly_name()
            attributes = operation.get_attributes()
            nodes.append(Node(KINDS.get(kind, kind), name, inputs, outputs, attributes))
            if kind == "Convert" and inputs[0] in constants:
                constants[outputs[0]] = constants[inputs[0]]
    return Graph(
        format="openvino",
        files=(path, path.with_suffix(WEIGHTS)),
        nodes=tuple(nodes),
        inputs=tuple(_value(value, _name(value)) for value in model.inputs),
        outputs=tuple(_value(value, _name(_source(value))) for value in model.outputs),
        shapes=shapes,
        constants=constants,
        weights=weights,
    )


def load_openvino(path: Path) -> Any:
    """Return the ``openvino.Model`` of an ``.xml``.

    Raises
    ------
    ConfigError
        OpenVINO is not installed.
    WeightsMismatchError
        The file, or the one of its weights, is missing or damaged.
    """
    try:
        from ...engines.openvino.openvino_import import import_openvino

        openvino = import_openvino()
    except ImportError as error:
        raise ConfigError(f"reading {path} needs OpenVINO: pip install openvino") from error
    if not path.with_suffix(WEIGHTS).is_file():
        raise WeightsMismatchError(
            f"{path} keeps its weights in {path.with_suffix(WEIGHTS).name}, which is not beside it"
        )
    try:
        return openvino.Core().read_model(path)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1][:200]
        raise WeightsMismatchError(f"{path} is no OpenVINO model: {reason}") from error


def _keep_constant(
    operation: Any, name: str, constants: dict[str, Any], weights: dict[str, Shape]
) -> None:
    output = operation.output(0)
    shape = _shape(output.get_partial_shape())
    if output.get_element_type().get_type_name() in FLOATS:
        weights[name] = shape
    if operation.data.size <= SMALL:
        constants[name] = operation.data.copy()


def _source(result: Any) -> Any:
    """Return the value that an output of the model gives out."""
    return result.get_node().input_value(0)


def _name(output: Any) -> str:
    """Return the name of a value: that of its tensor, else of its operation and number."""
    names = sorted(output.get_names())
    operation = output.get_node()
    number = f":{output.get_index()}" if operation.get_output_size() > 1 else ""
    return str(names[0] if names else operation.get_friendly_name() + number)


def _value(output: Any, name: str) -> Value:
    dtype = output.get_element_type().get_type_name()
    return Value(name, _shape(output.get_partial_shape()), dtype)


def _shape(shape: Any) -> Shape:
    if shape.rank.is_dynamic:
        return ()
    return tuple(None if side.is_dynamic else side.get_length() for side in shape)
