"""Position embeddings that an ONNX graph resizes, computed once as constants.

OpenVINO's antialiased resize differs from the one that ONNX states and PyTorch computes.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache.errors import ConversionError
from .onnx_file import keep_needed, load_onnx, read_onnx


def resized_constants(path: Path, image: str, sides: list[int]) -> dict[str, NDArray[Any]]:
    """Return what the resizes of a graph give that resize no picture, by the names of the values.

    Parameters
    ----------
    path : Path
    image : str
        The graph's input.
    sides : list of int
        Its shape.

    Raises
    ------
    ConversionError
        They cannot be computed.
    """
    graph = read_onnx(path, {image: sides})
    names = [node.outputs[0] for node in graph.constant_resizes(image)]
    if not names:
        return {}
    import onnx
    from onnx.reference import ReferenceEvaluator

    model = load_onnx(path)
    keep_needed(model, names)
    for tensor in model.graph.initializer:
        if onnx.external_data_helper.uses_external_data(tensor):
            onnx.external_data_helper.load_external_data_for_tensor(tensor, str(path.parent))
    inputs = [value for value in model.graph.input if value.name == image]
    element = inputs[0].type.tensor_type.elem_type if inputs else onnx.TensorProto.FLOAT
    make = onnx.helper.make_tensor_value_info
    del model.graph.output[:], model.graph.input[:], model.graph.value_info[:]
    model.graph.input.append(make(image, element, sides))
    model.graph.output.extend(make(n, onnx.TensorProto.FLOAT, None) for n in names)
    pixels = np.zeros(sides, onnx.helper.tensor_dtype_to_np_dtype(element))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = ReferenceEvaluator(model).run(names, {image: pixels})
    # The evaluator raises nearly every builtin error where it lacks an operation.
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else ""
        raise ConversionError(
            f"the position embeddings in {path} cannot be resized ({type(error).__name__}: "
            f"{reason})"
        ) from error
    return dict(zip(names, values, strict=True))
