"""Input fusion: normalising pixels before they are transposed, in one pass.

A converted model transposes its pixels to channels first, reverses the channels where its weights
want BGR, scales and shifts them, and copies them back to channels last for the first convolution.
Here an image is scaled and shifted as one row of bytes, before the transposition, which then needs
no copy. The reversal goes into the kernels of the first convolution; as a step of its own it takes
a sixth of ResNet50's time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TO_CHANNELS_FIRST = [0, 3, 1, 2]
SCALES = ("Multiply", "Add")


@dataclass(frozen=True)
class _InputSteps:
    """What a model does with its pixels before the first convolution."""

    pixels: Any
    scalings: list[Any]
    is_reversed: bool
    convolution: Any


def fuse_input(model: Any) -> None:
    """Rewrite the first steps of ``model``; a model with other first steps stays as it is.

    Parameters
    ----------
    model : openvino.Model
        From uint8 pixels ``(b, height, width, channels)``, with a fixed shape.
    """
    steps = _find_steps(model)
    if steps is None:
        return
    from openvino import opset13

    height, width, n_channels = list(steps.pixels.output(0).get_shape())[1:]
    row = opset13.reshape(steps.pixels, np.array([-1, height * width * n_channels]), False)
    row = opset13.convert(row, "f32")
    for step in steps.scalings:
        values = _per_channel(step, n_channels)
        values = values[::-1] if steps.is_reversed else values
        same = (values == values[0]).all()
        factors = values[:1] if same else np.tile(values, height * width)[None]
        apply = opset13.multiply if step.get_type_name() == "Multiply" else opset13.add
        row = apply(row, opset13.constant(np.ascontiguousarray(factors)))
    images = opset13.reshape(row, np.array([-1, height, width, n_channels]), False)
    turned = opset13.transpose(images, np.array(TO_CHANNELS_FIRST))
    steps.convolution.input(0).replace_source_output(turned.output(0))
    if steps.is_reversed:
        kernels = np.ascontiguousarray(_constant(steps.convolution, 1)[:, ::-1])
        steps.convolution.input(1).replace_source_output(opset13.constant(kernels).output(0))
    model.validate_nodes_and_infer_types()


def _find_steps(model: Any) -> _InputSteps | None:
    """Return what stands between the pixels and the first convolution, where it is as expected."""
    if len(model.get_parameters()) != 1:
        return None
    pixels = model.get_parameters()[0]
    chain = _chain(pixels)
    kinds = [node.get_type_name() for node in chain]
    if kinds[:2] != ["Convert", "Transpose"] or kinds[-1] != "Convolution":
        return None
    is_reversed = kinds[2] == "ReverseSequence"
    scalings = chain[3 if is_reversed else 2 : -1]
    n_channels = int(pixels.output(0).get_shape()[-1])
    is_expected = (
        _constant(chain[1], 1).tolist() == TO_CHANNELS_FIRST
        and all(node.get_type_name() in SCALES for node in scalings)
        and all(_per_channel(node, n_channels).size for node in scalings)
        and _constant(chain[-1], 1).ndim == 4
        and (not is_reversed or _reverses_channels(model, chain[2], n_channels))
    )
    return _InputSteps(pixels, scalings, is_reversed, chain[-1]) if is_expected else None


def _chain(pixels: Any) -> list[Any]:
    """Return the operations after the input, up to the first convolution or branch."""
    chain = [pixels]
    while chain[-1].get_type_name() not in ("Convolution", "Result"):
        users = [target.get_node() for target in chain[-1].output(0).get_target_inputs()]
        # Reversing channels asks for the shape.
        users = [user for user in users if user.get_type_name() != "ShapeOf"]
        if len(users) != 1:
            break
        chain.append(users[0])
    return chain[1:]


def _per_channel(step: Any, n_channels: int) -> NDArray[Any]:
    """Return a scale's or shift's numbers ``(n_channels,)``, empty where it is something else."""
    values = _constant(step, 1)
    if values.size == 1:
        return np.repeat(values.reshape(-1), n_channels)
    fits = values.shape in ((1, n_channels, 1, 1), (n_channels, 1, 1))
    return values.reshape(-1) if fits else values[:0]


def _reverses_channels(model: Any, node: Any, n_channels: int) -> bool:
    """Tell whether a ReverseSequence reverses all channels of all images."""
    from openvino.passes import ConstantFolding, Manager

    folding = Manager()
    folding.register_pass(ConstantFolding())
    folding.run_passes(model)
    axes = node.get_attributes()
    lengths = _constant(node, 1)
    return (axes["batch_axis"], axes["seq_axis"]) == (0, 1) and bool(
        lengths.size and (lengths == n_channels).all()
    )


def _constant(node: Any, index: int) -> NDArray[Any]:
    """Return a constant input of a node; empty where it is computed."""
    source = node.input_value(index).get_node()
    if source.get_type_name() != "Constant":
        return np.zeros(0, np.float32)
    data: NDArray[Any] = source.data
    return data
