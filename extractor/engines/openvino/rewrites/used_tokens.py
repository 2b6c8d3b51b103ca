"""Computing only the tokens that the features are made of.

Features of a transformer are often one token of its last layer. All other tokens of that layer are
computed for nothing, but for the keys and values of its attention. A selection of tokens (a Slice
or a Gather) is moved up through all operations that treat tokens apart, to the queries of the last
attention. A layer of ViT-B/16 is a twelfth of its work, and five sixths of the layer fall away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST = 0.5
"""Of all tokens; a selection of more is not worth the copies."""

OF_ONE = frozenset(
    (
        *("Abs", "Clamp", "Convert", "Elu", "Erf", "Exp", "Gelu", "HSigmoid", "HSwish", "Mish"),
        *("Negative", "Relu", "Sigmoid", "SoftPlus", "Sqrt", "Swish", "Tanh"),
    )
)
OF_TWO = frozenset(
    ("Add", "Divide", "Maximum", "Minimum", "Multiply", "Power", "SquaredDifference", "Subtract")
)
SELECTIONS = ("Gather", "Slice")
END = np.iinfo(np.int64).max


class Selection(NamedTuple):
    """The part ``start:stop`` of an axis."""

    axis: int
    start: int
    stop: int


Parts = list[Selection | None]
"""For each input of an operation the part that it needs; None: all of it."""


def select_used_tokens(model: Any) -> None:
    """Rewrite ``model`` so that each operation computes only what is used of one axis.

    Parameters
    ----------
    model : openvino.Model
        Of fixed shapes.
    """
    if not any(_is_worth(node) for node in model.get_ordered_ops()):
        return
    from openvino.passes import ConstantFolding, Manager

    folding = Manager()
    folding.register_pass(ConstantFolding())
    folding.run_passes(model)  # the targets of reshapes become constants
    nodes = model.get_ordered_ops()
    used = _used_parts(nodes)
    for node in nodes:
        if node.get_type_name() in SELECTIONS and used.get(_source(node)) is not None:
            _take_all(node)
        elif (part := used.get(node.get_name())) is not None:
            _compute_part(node, part, used)
    model.validate_nodes_and_infer_types()


def _used_parts(nodes: Sequence[Any]) -> dict[str, Selection | None]:
    """Return the part of each operation's output that is used, by the operation's name."""
    wanted: dict[str, list[Selection | None]] = {}
    used: dict[str, Selection | None] = {}
    for node in reversed(nodes):
        name = node.get_name()
        part = _common(wanted.get(name, [None]))
        inputs = _inputs_for(node, part) if part is not None else None
        used[name] = part if inputs is not None else None
        if inputs is None:
            inputs = [None] * node.get_input_size()
            if _is_worth(node):
                inputs[0] = _selection(node)
        for value, needed in zip(node.input_values(), inputs, strict=True):
            wanted.setdefault(value.get_node().get_name(), []).append(needed)
    return used


def _common(parts: Sequence[Selection | None]) -> Selection | None:
    return parts[0] if all(part == parts[0] for part in parts) else None


def _compute_part(node: Any, part: Selection, used: dict[str, Selection | None]) -> None:
    """Have an operation compute a part of its output."""
    from openvino import opset13

    for index, needed in enumerate(_inputs_for(node, part) or ()):
        source = node.input_value(index)
        if needed is None or used.get(source.get_node().get_name()) is not None:
            continue
        axis, start, stop = needed
        bounds = (np.array([n]) for n in (start, stop, 1, axis))
        node.input(index).replace_source_output(opset13.slice(source, *bounds).output(0))
    if node.get_type_name() == "Reshape":
        sides = list(node.output(0).get_shape())
        sides[part.axis] = part.stop - part.start
        node.input(1).replace_source_output(opset13.constant(np.array(sides)).output(0))


def _take_all(node: Any) -> None:
    """Have a selection take all of its input, which is the selected part by now."""
    from openvino import opset13

    if node.get_type_name() == "Gather":
        zero = opset13.constant(np.zeros_like(_constant(node, 1)))
        node.input(1).replace_source_output(zero.output(0))
    else:
        for index, bound in ((1, 0), (2, END)):
            constant = opset13.constant(np.array([bound], np.int64))
            node.input(index).replace_source_output(constant.output(0))


def _source(node: Any) -> str:
    name: str = node.input_value(0).get_node().get_name()
    return name


def _is_worth(node: Any) -> bool:
    """Tell whether an operation selects few of its input's tokens."""
    part = _selection(node)
    if part is None or not node.output(0).get_element_type().is_real():
        return False
    return part.stop - part.start <= MOST * int(node.input(0).get_shape()[part.axis])


def _selection(node: Any) -> Selection | None:
    """Return which part of its input a Slice or a Gather of one index takes."""
    kind = node.get_type_name()
    if kind not in SELECTIONS:
        return None
    numbers = [_constant(node, index).reshape(-1) for index in range(1, node.get_input_size())]
    if any(values.size != 1 for values in numbers):
        return None
    values = [int(value[0]) for value in numbers]
    shape = list(node.input(0).get_shape())
    axis = values[-1] % len(shape) if kind == "Gather" or len(values) == 4 else 0
    if kind == "Gather":
        index = values[0] % shape[axis]
        return Selection(axis, index, index + 1)
    start, stop, _ = slice(values[0], values[1]).indices(shape[axis])
    return Selection(axis, start, stop) if values[2] == 1 and start < stop else None


def _inputs_for(node: Any, part: Selection) -> Parts | None:
    """Return what an operation needs for a part of its output; None: it needs everything."""
    kind, axis = node.get_type_name(), part.axis
    shapes = [list(value.get_shape()) for value in node.inputs()]
    first: Parts = [part, *[None] * (len(shapes) - 1)]
    if kind in OF_ONE:
        return first
    if kind in OF_TWO:
        n_axes = len(node.output(0).get_shape())
        return [_of_operand(part, shape, n_axes) for shape in shapes]
    if kind == "MVN":
        axes = {int(number) % len(shapes[0]) for number in _constant(node, 1).reshape(-1)}
        return first if axes and axis not in axes else None
    if kind == "Softmax":
        return first if node.get_attributes()["axis"] % len(shapes[0]) != axis else None
    if kind == "Transpose":
        order = _constant(node, 1)
        return [part._replace(axis=int(order[axis])), None] if order.size else None
    if kind == "Reshape":
        same_axis = _same_axis(shapes[0], list(node.output(0).get_shape()), axis)
        return None if same_axis is None else [part._replace(axis=same_axis), None]
    if kind == "Concat":
        n_axes = len(shapes[0])
        return None if node.get_attributes()["axis"] % n_axes == axis else [part] * len(shapes)
    return _of_product(node, part, shapes) if kind == "MatMul" else None


def _of_operand(part: Selection, shape: Sequence[int], n_axes: int) -> Selection | None:
    """Return the part of an operand that is broadcast to ``n_axes`` axes."""
    axis = part.axis - (n_axes - len(shape))
    return None if axis < 0 or shape[axis] == 1 else part._replace(axis=axis)


def _of_product(node: Any, part: Selection, shapes: list[list[int]]) -> Parts | None:
    n_axes = len(node.output(0).get_shape())
    if min(map(len, shapes)) < 2:
        return None
    inputs: Parts = []
    for index, (shape, name) in enumerate(zip(shapes, ("transpose_a", "transpose_b"), strict=True)):
        own_axis = n_axes - 2 + index  # rows of the first operand, columns of the second
        if part.axis == own_axis:
            is_turned = bool(node.get_attributes()[name])
            inputs.append(part._replace(axis=len(shape) - (1 if is_turned != bool(index) else 2)))
        elif part.axis >= n_axes - 2:
            inputs.append(None)
        else:
            inputs.append(_of_operand(part, shape, n_axes))
    return inputs


def _same_axis(before: Sequence[int], after: Sequence[int], axis: int) -> int | None:
    """Return which axis before a reshape is ``axis`` after it."""
    n_before = math.prod(after[:axis])
    same = (i for i, side in enumerate(before) if math.prod(before[:i]) == n_before)
    return next((i for i in same if before[i] == after[axis]), None)


def _constant(node: Any, index: int) -> NDArray[Any]:
    """Return a constant input of a node; empty where it is computed."""
    source = node.input_value(index).get_node()
    if source.get_type_name() != "Constant":
        return np.zeros(0, np.int64)
    data: NDArray[Any] = source.data
    return data
