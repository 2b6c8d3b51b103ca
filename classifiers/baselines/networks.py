"""The baseline networks: one frozen record each, in layers that a model file can name."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ...cache.errors import ConfigError
from ...cache.suggest import did_you_mean

KERNEL = 3
POOL = 2

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """One layer of a network.

    Attributes
    ----------
    kind : str
        ``conv`` (3×3, ReLU), ``pool`` (2×2 maximum), ``norm`` (batch normalisation), ``drop``,
        ``flatten``, ``dense`` (ReLU) or ``output`` (dense, logits).
    width : int
        Filters of ``conv``, units of ``dense``.
    rate : float
        Share of the values that ``drop`` sets to zero in training.
    same : bool
        Whether ``conv`` pads with zeros, so that the map keeps its size.
    """

    kind: str
    width: int = 0
    rate: float = 0.0
    same: bool = False


def conv(width: int, *, same: bool = False) -> Layer:
    """A 3×3 convolution with ReLU."""
    return Layer("conv", width, same=same)


def drop(rate: float) -> Layer:
    """Dropout (Srivastava and others 2014, JMLR 15:1929)."""
    return Layer("drop", rate=rate)


def dense(width: int) -> Layer:
    """A dense layer with ReLU."""
    return Layer("dense", width)


POOLING, NORM, FLATTEN = Layer("pool"), Layer("norm"), Layer("flatten")


@dataclass(frozen=True)
class NetworkRecord:
    """What featx knows of one baseline.

    Attributes
    ----------
    name, description : str
    layers : tuple of Layer
        All but the output layer, whose width is that of the classes: one unit for two.
    """

    name: str
    description: str
    layers: tuple[Layer, ...]

    def with_output(self, n_classes: int) -> tuple[Layer, ...]:
        """Return all layers; two classes give one logit, more give one each."""
        return (*self.layers, Layer("output", 1 if n_classes == 2 else n_classes))

    def weight_shapes(self, image_shape: Shape, n_classes: int) -> dict[str, Shape]:
        """Return the shape of every weight by its name, in order.

        Parameters
        ----------
        image_shape : (height, width, channels)
        n_classes : int

        Raises
        ------
        ConfigError
            The images are too small for the network's poolings.
        """
        if min(image_shape[:2]) < self.min_size:
            raise ConfigError(
                f"{self.name} needs images of {self.min_size} pixels a side or more, got "
                f"{image_shape[1]}×{image_shape[0]}: use --size {self.min_size} or more"
            )
        shape, weights = image_shape, {}
        for index, layer in enumerate(self.with_output(n_classes)):
            for name, weight_shape in _weights(layer, shape):
                weights[f"{layer.kind}_{index}_{name}"] = weight_shape
            shape = _output_shape(layer, shape)
        return weights

    @property
    def min_size(self) -> int:
        """The smallest side in pixels that leaves a map of one pixel after the last layer."""
        size = 1
        for layer in reversed(self.layers):
            if layer.kind == "pool":
                size *= POOL
            elif layer.kind == "conv" and not layer.same:
                size += KERNEL - 1
        return size

    def n_params(self, image_shape: Shape, n_classes: int) -> int:
        """Return the number of parameters, the statistics of batch normalisation included."""
        return sum(map(math.prod, self.weight_shapes(image_shape, n_classes).values()))

    def multiply_adds(self, image_shape: Shape, n_classes: int) -> int:
        """Return the multiply-adds of convolutions and dense layers for one image."""
        shape, total = image_shape, 0
        for layer in self.with_output(n_classes):
            kernels = [s for name, s in _weights(layer, shape) if name == "kernel"]
            shape = _output_shape(layer, shape)
            total += sum(map(math.prod, kernels)) * math.prod(shape[:-1])
        return total


def _weights(layer: Layer, shape: Shape) -> Iterator[tuple[str, Shape]]:
    n_inputs = shape[-1]
    if layer.kind == "conv":
        yield "kernel", (KERNEL, KERNEL, n_inputs, layer.width)
        yield "bias", (layer.width,)
    elif layer.kind in ("dense", "output"):
        yield "kernel", (n_inputs, layer.width)
        yield "bias", (layer.width,)
    elif layer.kind == "norm":
        for name in ("gamma", "beta", "moving_mean", "moving_variance"):
            yield name, (n_inputs,)


def _output_shape(layer: Layer, shape: Shape) -> Shape:
    if layer.kind == "conv":
        lost = 0 if layer.same else KERNEL - 1
        return shape[0] - lost, shape[1] - lost, layer.width
    if layer.kind == "pool":
        return shape[0] // POOL, shape[1] // POOL, shape[2]
    if layer.kind == "flatten":
        return (math.prod(shape),)
    if layer.kind in ("dense", "output"):
        return (layer.width,)
    return shape


RECORDS = (
    NetworkRecord("fc", "one hidden layer of 128 on the pixels", (FLATTEN, dense(128))),
    NetworkRecord(
        "cnn1",
        "one convolution",
        (conv(32), POOLING, drop(0.2), FLATTEN, dense(128)),
    ),
    NetworkRecord(
        "cnn2",
        "two convolutions and two dense layers",
        (
            *(conv(32, same=True), conv(64, same=True), POOLING, FLATTEN),
            *(dense(120), drop(0.25), dense(60), drop(0.4)),
        ),
    ),
    NetworkRecord(
        "cnn3",
        "three convolutions with dropout",
        (
            *(conv(32), POOLING, drop(0.25)),
            *(conv(64), POOLING, drop(0.25)),
            *(conv(128), drop(0.4)),
            *(FLATTEN, dense(128), drop(0.3)),
        ),
    ),
    NetworkRecord(
        "cnn4",
        "four convolutions with batch normalisation and dropout",
        (
            *(conv(32), NORM, conv(32), NORM, POOLING, drop(0.25)),
            *(conv(64), NORM, drop(0.25)),
            *(conv(128), NORM, POOLING, drop(0.25)),
            *(FLATTEN, dense(512), NORM, drop(0.5), dense(128), NORM, drop(0.5)),
        ),
    ),
    NetworkRecord(
        "cnn5",
        "five convolutions, each with a pooling",
        (
            *(conv(16), POOLING, conv(32), POOLING, conv(64), POOLING),
            *(conv(64), POOLING, conv(64), POOLING),
            *(FLATTEN, dense(512)),
        ),
    ),
)
NETWORKS: Mapping[str, NetworkRecord] = MappingProxyType(
    {record.name: record for record in RECORDS}
)


def find_network(name: str) -> NetworkRecord:
    """Return the record of a baseline.

    Raises
    ------
    ConfigError
        There is none of that name.
    """
    if name not in NETWORKS:
        raise ConfigError(f"no baseline is called {name!r}. {did_you_mean(name, NETWORKS)}")
    return NETWORKS[name]
