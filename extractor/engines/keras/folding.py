"""Convolutions that take the frozen batch normalisation after them into their weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..keras_import import import_keras
from .depthwise import shifted_depthwise


def fold_batch_norm(model: Any) -> Any:
    """Return a model that computes the same with the same variables, in fewer operations.

    Batch normalisation that is not trained scales each channel and shifts it. After a convolution
    the scale is multiplied into its kernel, anew in each step: the derivatives of the convolution's
    own variables stay what they were.

    Parameters
    ----------
    model : keras.Model
        None of its batch normalisations is trained.
    """
    convolutions = _normalised_convolutions(_calls(model))
    folded = {convolution.name for convolution in convolutions.values()}

    def call(layer: Any, *inputs: Any, **options: Any) -> Any:
        if layer.name in folded:
            return inputs[0]
        if layer.name in convolutions:
            return _folded_convolution()(convolutions[layer.name], layer)(inputs[0])
        return layer(*inputs, **options)

    return _rebuilt(model, call)


def _rebuilt(model: Any, call: Callable[..., Any]) -> Any:
    """Return a model of the same layers, each called by ``call``."""
    clone = import_keras().models.clone_model
    return clone(model, clone_function=lambda layer: layer, call_function=call)


@dataclass(frozen=True)
class _Call:
    """A layer with the symbolic tensors that it takes and gives."""

    layer: Any
    inputs: list[Any]
    output: Any


def _calls(model: Any) -> list[_Call]:
    """Return all calls of layers and operations in a model."""
    calls: list[_Call] = []

    def call(layer: Any, *inputs: Any, **options: Any) -> Any:
        output = layer(*inputs, **options)
        calls.append(_Call(layer, import_keras().tree.flatten((inputs, options)), output))
        return output

    _rebuilt(model, call)
    return calls


def _normalised_convolutions(calls: list[_Call]) -> dict[str, Any]:
    """Return, by the name of each batch normalisation that can be folded, the layer before it."""
    keras = import_keras()
    n_calls = Counter(call.layer.name for call in calls)
    n_takers = Counter(id(taken) for call in calls for taken in call.inputs)
    convolutions = {
        id(call.output): call.layer
        for call in calls
        if type(call.layer) in (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
        and call.layer.activation in (None, keras.activations.linear)
        and call.layer.data_format == "channels_last"
        and n_calls[call.layer.name] == 1
        and n_takers[id(call.output)] == 1
    }
    return {
        call.layer.name: convolutions[id(call.inputs[0])]
        for call in calls
        if isinstance(call.layer, keras.layers.BatchNormalization)
        and call.layer.axis in (-1, 3)
        and n_calls[call.layer.name] == 1
        and id(call.inputs[0]) in convolutions
    }


@cache
def _folded_convolution() -> Any:
    """Return the class of the layers; it is made where it is needed, as Keras is imported late."""
    keras = import_keras()
    ops = keras.ops

    class FoldedConvolution(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def __init__(self, convolution: Any, norm: Any) -> None:
            # Kernels are multiplied in float32, whatever the convolution computes in.
            name = f"{convolution.name}_folded"
            super().__init__(name=name, dtype="float32", autocast=False)
            self.convolution, self.norm = convolution, norm

        def call(self, inputs: Any) -> Any:
            convolution, norm = self.convolution, self.norm
            scale = ops.rsqrt(norm.moving_variance + norm.epsilon)
            scale = scale * norm.gamma if norm.scale else scale
            shift = -norm.moving_mean * scale
            shift = shift + norm.beta if norm.center else shift
            if convolution.use_bias:
                shift = shift + convolution.bias * scale
            dtype, kernel = convolution.compute_dtype, convolution.kernel
            is_depthwise = isinstance(convolution, keras.layers.DepthwiseConv2D)
            factor = ops.reshape(scale, kernel.shape[-2:]) if is_depthwise else scale
            inputs, kernel = ops.cast(inputs, dtype), ops.cast(kernel * factor, dtype)
            strides, dilation = convolution.strides, convolution.dilation_rate
            if is_depthwise and keras.backend.backend() == "jax" and kernel.shape[-1] == 1:
                outputs = shifted_depthwise(inputs, kernel, strides, convolution.padding, dilation)
            else:
                outputs = (ops.depthwise_conv if is_depthwise else ops.conv)(
                    inputs,
                    kernel,
                    strides=strides,
                    padding=convolution.padding,
                    dilation_rate=dilation,
                    data_format=convolution.data_format,
                )
            return outputs + ops.cast(ops.reshape(shift, (1, 1, 1, -1)), dtype)

    return FoldedConvolution
