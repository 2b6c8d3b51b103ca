"""The same network in plain PyTorch, with the same weights: what a PyTorch user would run.

It knows the layers of the networks that the benchmarks compare, and refuses any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

Step = tuple[Callable[..., torch.Tensor], list[int], int]


class Twin(nn.Module):
    """Runs a Keras functional model's layers in their order.

    Parameters
    ----------
    model : keras.Model
        With one input ``(b, h, w, 3)``; its maps become channels-last tensors ``(b, c, h, w)``.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.modules_used = nn.ModuleList()
        self.steps: list[Step] = []
        self.first, self.last = id(model.inputs[0]), id(model.outputs[0])
        for layer in model.layers:
            if type(layer).__name__ == "InputLayer":
                continue
            node = layer._inbound_nodes[0]
            run = self._run_of(layer)
            self.steps.append((run, [id(t) for t in node.input_tensors], id(node.outputs[0])))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the last map's average ``(b, c)``, float32, of normalised images."""
        tensors = {self.first: images}
        for run, inputs, output in self.steps:
            tensors[output] = run(*(tensors[i] for i in inputs))
        result = tensors[self.last]
        return (result.mean((2, 3)) if result.ndim == 4 else result).float()

    def _run_of(self, layer: Any) -> Callable[..., torch.Tensor]:
        make = MAKERS.get(type(layer).__name__)
        if make is None:
            raise NotImplementedError(f"{layer.name}: no twin of a {type(layer).__name__}")
        run = make(layer)
        if isinstance(run, nn.Module):
            self.modules_used.append(run)
        return run


class Convolution(nn.Module):
    """A Conv2D or DepthwiseConv2D with Keras' padding."""

    def __init__(self, layer: Any, depthwise: bool) -> None:
        super().__init__()
        kernel, *bias = map(np.asarray, layer.get_weights())
        order = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
        n_channels = kernel.shape[2]
        weights = torch.from_numpy(np.ascontiguousarray(kernel.transpose(order)))
        self.weight = nn.Parameter(weights, requires_grad=False)
        self.bias = nn.Parameter(torch.from_numpy(bias[0]), requires_grad=False) if bias else None
        self.strides, self.groups = tuple(layer.strides), n_channels if depthwise else 1
        self.is_same, self.kernel = layer.padding == "same", kernel.shape[:2]
        self.activation = activation_of(layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        padding: Any = 0
        if self.is_same:
            sides = [
                max((-(-n // s) - 1) * s + k - n, 0)
                for n, s, k in zip(x.shape[2:], self.strides, self.kernel, strict=True)
            ]
            if all(side % 2 == 0 for side in sides):
                padding = [side // 2 for side in sides]
            else:
                (top, left) = (side // 2 for side in sides)
                x = F.pad(x, (left, sides[1] - left, top, sides[0] - top))
        x = F.conv2d(x, self.weight, self.bias, self.strides, padding, 1, self.groups)
        return self.activation(x)


def activation_of(layer: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return PyTorch's function for a layer's activation."""
    name = getattr(layer.activation, "__name__", "")
    known = {"linear": lambda x: x, "relu": F.relu, "relu6": F.relu6, "silu": F.silu}
    if name not in known:
        raise NotImplementedError(f"{layer.name}: no twin of the activation {name}")
    return known[name]


def batch_norm(layer: Any) -> nn.Module:
    """Return a BatchNorm2d with a layer's numbers."""
    n_channels = layer.moving_mean.shape[0]
    norm = nn.BatchNorm2d(n_channels, eps=layer.epsilon).eval().requires_grad_(False)
    with torch.no_grad():
        norm.running_mean.copy_(torch.from_numpy(np.array(layer.moving_mean)))
        norm.running_var.copy_(torch.from_numpy(np.array(layer.moving_variance)))
        if layer.gamma is not None:
            norm.weight.copy_(torch.from_numpy(np.array(layer.gamma)))
        if layer.beta is not None:
            norm.bias.copy_(torch.from_numpy(np.array(layer.beta)))
    return norm


def zero_padding(layer: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the padding of a ZeroPadding2D."""
    (top, bottom), (left, right) = layer.padding
    return lambda x: F.pad(x, (left, right, top, bottom))


def relu(layer: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the function of a ReLU layer, bounded above or not."""
    return F.relu if layer.max_value is None else lambda x: x.clamp(0, float(layer.max_value))


def max_pool(layer: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the pooling of a MaxPooling2D without padding."""
    return lambda x: F.max_pool2d(x, layer.pool_size, layer.strides)


MAKERS: dict[str, Callable[[Any], Callable[..., torch.Tensor]]] = {
    "Conv2D": lambda layer: Convolution(layer, depthwise=False),
    "DepthwiseConv2D": lambda layer: Convolution(layer, depthwise=True),
    "BatchNormalization": batch_norm,
    "ZeroPadding2D": zero_padding,
    "ReLU": relu,
    "Activation": activation_of,
    "MaxPooling2D": max_pool,
    "Add": lambda layer: lambda *inputs: sum(inputs[1:], inputs[0]),
    "Dropout": lambda layer: lambda x: x,
}
