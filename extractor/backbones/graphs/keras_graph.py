"""What a Keras model computes for one image, by the operations of TensorFlow that it becomes.

Layers do not tell all of it: those of KerasHub hold others inside, and attention has no weights.
"""

from __future__ import annotations

import math
from typing import Any

CALLS = ("PartitionedCall", "StatefulPartitionedCall")
PRODUCTS = ("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")
CONVOLUTION, DEPTHWISE = "Conv2D", "DepthwiseConv2dNative"
TRANSPOSED, EINSUM = "Conv2DBackpropInput", "Einsum"


def keras_multiply_adds(model: Any, image_size: tuple[int, int]) -> int:
    """Return the multiply-adds of convolutions and products for one image; 0 where unknown."""
    from ...engines.keras_import import import_keras  # whose package needs this one

    if import_keras().backend.backend() != "tensorflow":
        return 0
    import tensorflow as tf

    spec = tf.TensorSpec((1, *image_size, 3), tf.float32)
    call = tf.function(lambda image: model(image, training=False))
    try:
        return _of_graph(call.get_concrete_function(spec).graph)
    except ValueError:  # of a side that is known only when the model runs
        return 0


def _of_graph(graph: Any) -> int:
    return sum(map(_multiply_adds, graph.get_operations()))


def _multiply_adds(operation: Any) -> int:
    kind = operation.type
    if kind in CALLS:  # such as Keras' convolutions in groups, which XLA compiles
        name = operation.get_attr("f").name
        return _of_graph(operation.graph._get_function(name).graph)
    if kind == EINSUM:
        return _of_einsum(operation)
    if kind not in (*PRODUCTS, CONVOLUTION, DEPTHWISE, TRANSPOSED):
        return 0
    first, second = map(_sides, operation.inputs[:2])
    n_outputs = math.prod(_sides(operation.outputs[0]))
    if kind == DEPTHWISE:
        return n_outputs * math.prod(second[:2])
    if kind == CONVOLUTION:
        return n_outputs * math.prod(second[:-1])
    if kind == TRANSPOSED:
        return math.prod(_sides(operation.inputs[2])) * math.prod(second[:-1])
    is_turned = operation.get_attr("transpose_a" if kind == "MatMul" else "adj_x")
    return n_outputs * (first[-2] if is_turned else first[-1])


def _of_einsum(operation: Any) -> int:
    """Return the product of the sides of all letters of an equation."""
    equation = operation.get_attr("equation").decode().partition("->")[0]
    sides: dict[str, int] = {}
    for letters, value in zip(equation.split(","), operation.inputs, strict=True):
        shape = _sides(value)
        named, _, behind = letters.partition("...")
        n_free = len(shape) - len(named) - len(behind)
        names = [*named, *(f"...{i}" for i in range(n_free, 0, -1)), *behind]
        for name, side in zip(names, shape, strict=True):
            sides[name] = max(side, sides.get(name, 1))
    return math.prod(sides.values())


def _sides(value: Any) -> list[int]:
    """Return the sides of a value; raises ValueError where one is not known."""
    sides: list[int] = value.shape.as_list()
    if None in sides:
        raise ValueError(f"{value.name} has a free side")
    return sides
