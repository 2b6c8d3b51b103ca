"""The preset ``multi``: the last layer of a backbone, and the ends of its last stages."""

from __future__ import annotations

from typing import Any

from ....cache.errors import UnknownBackboneError
from ..build import build_architecture
from ..graphs.describe import READERS
from ..layers import find_layer
from ..model_file import load_model
from ..record import BackboneRecord
from .stages import ACTIVATION, MERGE, OTHER, WEIGHTED, Step, stage_ends

MULTI = "multi"
PRESETS = (MULTI,)
N_INNER = 3
INNER_POOL = "grid:2"

MERGES = ("Add", "Concatenate", "Concat", "Sum", "CustomScaleLayer")
WEIGHTS = (
    *("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Conv2DTranspose", "Dense", "EinsumDense"),
    *("Conv", "GroupConvolution", "MatMul", "Gemm"),
)
ACTIVATIONS = ("Activation", "ReLU", "LeakyReLU", "PReLU", "Relu", "Clip", "HardSwish", "Swish")
KINDS = {
    **dict.fromkeys(MERGES, MERGE),
    **dict.fromkeys(WEIGHTS, WEIGHTED),
    **dict.fromkeys(ACTIVATIONS, ACTIVATION),
}
"""Kinds of Keras' layers and of ONNX' and OpenVINO's operations, by their names."""


def inner_layers(record: BackboneRecord, image_size: tuple[int, int]) -> list[str]:
    """Return the ends of the last three stages before a backbone's last layer, by rule.

    Parameters
    ----------
    record : BackboneRecord
    image_size : (height, width)

    Raises
    ------
    UnknownBackboneError
        Its stages cannot be told: no layer gives maps, or layers have no names.
    """
    steps, last = _steps_of_graph(record) if record.graph else _steps_of_keras(record, image_size)
    ends = stage_ends(steps, last, N_INNER)
    if not ends:
        raise UnknownBackboneError(
            f"the stages of {record.name} cannot be told from its layers: name layers with --layer "
            f"in place of --preset {MULTI}"
        )
    return ends


def _steps_of_keras(record: BackboneRecord, image_size: tuple[int, int]) -> tuple[list[Step], str]:
    from ...engines.keras_import import import_keras  # whose package needs this one

    keras = import_keras()
    if record.path is not None:
        model = load_model(record.path, image_size)
    else:
        model = build_architecture(record, record.layer in record.top_layers, image_size)
    last = find_layer(model, record.layer).name
    while not any(layer.name == last for layer in model.layers):
        nested = [layer for layer in model.layers if isinstance(layer, keras.Model)]
        holding = [one for one in nested if any(la.name == last for la in one._flatten_layers())]
        if not holding:
            break
        model = holding[0]
    return _steps_of_model(model), last


def _steps_of_model(model: Any) -> list[Step]:
    layers = {id(layer) for layer in model.layers}
    steps = []
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            operation = node.operation
            shape = tuple(getattr(node.outputs[0], "shape", ()))[1:]
            is_map = len(shape) == 3 and all(isinstance(side, int) for side in shape)
            parents = tuple(parent.operation.name for parent in node.parent_nodes)
            kind = KINDS.get(type(operation).__name__, OTHER)
            named = id(operation) in layers
            steps.append(Step(operation.name, kind, shape if is_map else (), parents, named))
    return steps


def _steps_of_graph(record: BackboneRecord) -> tuple[list[Step], str]:
    if record.path is None or record.graph is None or record.published_size is None:
        raise UnknownBackboneError(f"{record.name} is no graph in a file")
    pixels = record.graph.sides(1, record.published_size)
    graph = READERS[record.path.suffix.lower()](record.path, {record.graph.input_name: pixels})
    makers = {name: node.outputs[0] for node in graph.nodes for name in node.outputs if name}
    steps = []
    for node in graph.nodes:
        parents = tuple(makers[name] for name in node.inputs if name in makers)
        channels_first = [side or 0 for side in graph.shapes.get(node.outputs[0], ())[1:]]
        is_map = len(channels_first) == 3 and all(channels_first)
        shape = (*channels_first[1:], channels_first[0]) if is_map else ()
        # A constant beside the data makes a sum a bias, and no merge.
        kind = KINDS.get(node.kind, OTHER)
        if kind == MERGE and len(set(parents)) < 2:
            kind = OTHER
        steps.append(Step(node.outputs[0], kind, shape, parents))
    return steps, record.layer
