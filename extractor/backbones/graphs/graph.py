"""A network in a file as nodes and values, whatever its format, and what can be read off it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int | None, ...]
SMALL = 4096
"""Values of a constant up to which its numbers are kept; larger ones are weights."""

PASSES_PIXELS = ("Cast", "Identity", "Transpose")
RESIZES = ("Resize", "Upsample", "Interpolate")
CONVOLUTIONS = ("Conv", "GroupConvolution")


@dataclass(frozen=True)
class Node:
    """One operation, by its name in ONNX.

    Attributes
    ----------
    kind, name : str
    inputs, outputs : tuple of str
        Names of values; an empty name is an input that is left out.
    attributes : mapping
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Value:
    """An input or output: name, shape (None where a side is free), type of its elements."""

    name: str
    shape: Shape
    dtype: str


@dataclass(frozen=True)
class Affine:
    """What a graph does with its pixels before its first layer: ``x * scale + shift``."""

    scale: NDArray[np.float64]
    shift: NDArray[np.float64]


@dataclass(frozen=True)
class Graph:
    """A network in a file.

    Attributes
    ----------
    format : str
        ``onnx`` or ``openvino``.
    files : tuple of Path
        All files that it consists of, the graph first.
    nodes : tuple of Node
        In an order in which they can be computed.
    inputs, outputs : tuple of Value
    shapes : mapping of str to Shape
        Of the values whose shape is known.
    constants : mapping of str to ndarray
        Those of up to ``SMALL`` values.
    weights : mapping of str to Shape
        All constants of floating point or 8 bits.
    """

    format: str
    files: tuple[Path, ...]
    nodes: tuple[Node, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    shapes: Mapping[str, Shape]
    constants: Mapping[str, NDArray[Any]]
    weights: Mapping[str, Shape]

    def value_names(self) -> list[str]:
        """Return the names that ``--layer`` takes: outputs first, then all inner values."""
        inner = [name for node in self.nodes for name in node.outputs if name]
        return list(dict.fromkeys([*(output.name for output in self.outputs), *inner]))

    def value_of(self, name: str) -> str:
        """Return the value that a name means, its own or its node's; empty where there is none."""
        by_node = {node.name: node.outputs[0] for node in self.nodes if node.name and node.outputs}
        return name if name in self.value_names() else by_node.get(name, "")

    def needed_for(self, values: Iterable[str]) -> list[Node]:
        """Return the nodes that some values are computed from, in order."""
        wanted = set(values)
        nodes = []
        for node in reversed(self.nodes):
            if wanted.intersection(node.outputs):
                wanted.update(node.inputs)
                nodes.append(node)
        return nodes[::-1]

    def inputs_for(self, values: Iterable[str]) -> list[Value]:
        """Return the inputs that some values depend on."""
        names = {name for node in self.needed_for(values) for name in node.inputs}
        return [value for value in self.inputs if value.name in names]

    def patch_of(self, image: str) -> tuple[int, int] | None:
        """Return the strides of the first convolution of the pixels, where they make patches."""
        reached = {image}
        for node in self.nodes:
            if not reached.intersection(node.inputs):
                continue
            if node.kind in CONVOLUTIONS:
                strides = tuple(node.attributes.get("strides", ()))
                kernel = self.shapes.get(node.inputs[1], ())[-2:]
                return strides if len(strides) == 2 and strides == kernel else None
            reached.update(node.outputs)
        return None

    def affine_of(self, image: str) -> Affine | None:
        """Return what is done to each channel of the pixels before the first layer, if anything."""
        scale, shift = np.ones(1), np.zeros(1)
        for node in self._first_nodes(image):
            constant = self._constant_beside(node)
            if node.kind in PASSES_PIXELS:
                continue
            if node.kind == "BatchNormalization":
                gain, bias, mean, variance = (
                    np.asarray(self.constants.get(name, np.ones(1)), np.float64).reshape(-1)
                    for name in node.inputs[1:5]
                )
                factor = gain / np.sqrt(variance + node.attributes.get("epsilon", 1e-5))
                scale, shift = scale * factor, (shift - mean) * factor + bias
            elif constant is None or constant.size not in (1, 3):
                break
            elif node.kind in ("Mul", "Div"):
                factor = constant if node.kind == "Mul" else 1 / constant
                scale, shift = scale * factor, shift * factor
            elif node.kind in ("Add", "Sub"):
                shift = shift + (constant if node.kind == "Add" else -constant)
            else:
                break
        is_nothing = (scale == 1).all() and (shift == 0).all()
        return None if is_nothing else Affine(scale, shift)

    def constant_resizes(self, image: str) -> list[Node]:
        """Return the resizes of what is no picture: position embeddings for several image sizes."""
        reached = {image}
        resizes = []
        for node in self.nodes:
            is_resize = node.kind in RESIZES
            if is_resize and not reached.intersection(node.inputs[:1]):
                resizes.append(node)
            elif reached.intersection(node.inputs):
                reached.update(node.outputs)
        return resizes

    def n_multiply_adds(self, values: Iterable[str]) -> int | None:
        """Return the multiply-adds of convolutions and products for one image.

        A side that is free counts as 1. None where a whole shape is not known.
        """
        total = 0
        for node in self.needed_for(values):
            if node.kind in (*CONVOLUTIONS, "MatMul", "Gemm"):
                names = (*node.inputs[:2], node.outputs[0])
                shapes = [tuple(side or 1 for side in self.shapes.get(name, ())) for name in names]
                if not all(shapes):
                    return None
                total += _multiply_adds(node, *shapes)
        return total

    def n_params(self, values: Iterable[str]) -> int:
        """Return how many weights some values are computed from."""
        names = {name for node in self.needed_for(values) for name in node.inputs}
        sides = (self.weights[name] for name in names & self.weights.keys())
        return sum(math.prod(side or 0 for side in shape) for shape in sides)

    def _first_nodes(self, image: str) -> Iterator[Node]:
        """Yield the nodes after an input as long as each has one user."""
        value = image
        while True:
            users = [
                n for n in self.nodes if value in n.inputs and n.kind not in ("Shape", "ShapeOf")
            ]
            if len(users) != 1 or value not in users[0].inputs[:2]:
                return
            yield users[0]
            value = users[0].outputs[0]

    def _constant_beside(self, node: Node) -> NDArray[np.float64] | None:
        """Return the constant operand of an operation with two."""
        for name in node.inputs[:2]:
            if name in self.constants and self.constants[name].dtype.kind in "fiu":
                return np.asarray(self.constants[name], np.float64).reshape(-1)
        return None


def _multiply_adds(
    node: Node, first: tuple[int, ...], second: tuple[int, ...], out: tuple[int, ...]
) -> int:
    n_outputs = math.prod(out)
    if node.kind == "Conv":
        return n_outputs * math.prod(second[1:])
    if node.kind == "GroupConvolution":
        return n_outputs * math.prod(second[2:])
    is_turned = node.attributes.get("transA") or node.attributes.get("transpose_a")
    return n_outputs * (first[-2] if is_turned else first[-1])
