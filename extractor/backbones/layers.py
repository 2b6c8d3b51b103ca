"""Finding a layer of a model by name, also inside models that are layers of it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ...cache.errors import UnknownBackboneError
from ...cache.suggest import did_you_mean

LAST_MAP = "last_map"
"""The name that stands for the last layer that gives a map; no backbone has a layer of it."""

LAST_OUTPUT = "last_output"
"""The name that stands for what the whole model gives."""

MAP_RANK = 4
NOT_COUNTED = ("reshape_2",)
"""Names that a builder gives itself, though they look counted (MobileNet's last reshape)."""


class LayerOutput(NamedTuple):
    """A layer's name and its symbolic output in the graph of the outermost model."""

    name: str
    output: Any


class _NestedLayer(NamedTuple):
    """A layer, and the models that it is nested in, the outermost first."""

    containers: tuple[Any, ...]
    layer: Any


def find_layer(model: Any, name: str, absent: Iterable[str] = ()) -> LayerOutput:
    """Return a layer of ``model`` with its output, or of a model nested in it.

    Parameters
    ----------
    model : keras.Model
    name : str
        A layer's name; for nested ones, where it is not unique, ``outer/inner``. ``last_map``
        stands for the last layer with an output ``(n, height, width, channels)``, ``last_output``
        for the model's own.
    absent : iterable of str
        Further layers that a caller could have asked for, to be named among the close matches.

    Raises
    ------
    UnknownBackboneError
        There is no such layer (the message lists close matches), or there are several.
    """
    if name == LAST_MAP:
        return _last_map(model)
    if name == LAST_OUTPUT:
        return _last_output(model)
    layers = list(_walk(model))
    matches = [n for n in layers if not n.containers and n.layer.name == name]
    matches = matches or [n for n in layers if name in (n.layer.name, _path(n))]
    if not matches:
        names = {nested.layer.name for nested in layers} | set(absent)
        raise UnknownBackboneError(
            f"{model.name} has no layer {name!r}. {did_you_mean(name, names)}"
        )
    if len(matches) > 1:
        raise UnknownBackboneError(
            f"{model.name} has several layers {name!r}: name one of "
            f"{', '.join(_path(nested) for nested in matches)}"
        )
    return LayerOutput(name, _output(matches[0]))


def name_as_in_a_new_session(model: Any) -> None:
    """Number the automatically named layers of ``model`` from the first, as a new process would.

    Keras counts ``conv2d``, ``conv2d_1``, … through all models of a process, so that the second
    model's first layer may be ``conv2d_94``.
    """
    counted: dict[str, list[tuple[int, Any]]] = defaultdict(list)
    for layer in model.layers:
        stem = _snake_case(type(layer).__name__)
        match = re.fullmatch(rf"{re.escape(stem)}(?:_(\d+))?", layer.name)
        if match and layer.name not in NOT_COUNTED:
            counted[stem].append((int(match[1] or 0), layer))
    for stem, numbered in counted.items():
        first = min(number for number, _ in numbered)
        for number, layer in numbered:
            layer.name = f"{stem}_{number - first}" if number > first else stem


def _walk(model: Any, containers: tuple[Any, ...] = ()) -> Iterator[_NestedLayer]:
    for layer in model.layers:
        yield _NestedLayer(containers, layer)
        if _is_model(layer):
            yield from _walk(layer, (*containers, layer))


def _last_map(model: Any) -> LayerOutput:
    last = _find_last_map(model, ())
    if last is None:
        names = ", ".join(layer.name for layer in model.layers[-8:])
        raise UnknownBackboneError(
            f"{model.name} has no layer that gives maps: name one with --layer. Its last layers: "
            f"{names}"
        )
    return LayerOutput(last.layer.name, _output(last))


def _last_output(model: Any) -> LayerOutput:
    if len(model.outputs) != 1:
        names = ", ".join(layer.name for layer in model.layers[-8:])
        raise UnknownBackboneError(
            f"{model.name} gives {len(model.outputs)} outputs: name a layer with --layer. Its last "
            f"layers: {names}"
        )
    return LayerOutput(LAST_OUTPUT, model.outputs[0])


def _find_last_map(model: Any, containers: tuple[Any, ...]) -> _NestedLayer | None:
    for layer in reversed(model.layers):
        if type(layer).__name__ == "InputLayer":
            continue
        if len(getattr(_node(layer, "output"), "shape", ())) == MAP_RANK:
            return _NestedLayer(containers, layer)
        if _is_model(layer):
            inner = _find_last_map(layer, (*containers, layer))
            if inner is not None:
                return inner
    return None


def _output(nested: _NestedLayer) -> Any:
    """Return a layer's output in the outermost graph; layers are shared, weights are not copied."""
    import keras

    tensor = _node(nested.layer, "output")
    for container in reversed(nested.containers):
        tensor = keras.Model(container.inputs, tensor)(_node(container, "input"))
    return tensor


def _node(layer: Any, side: str) -> Any:
    """Return what a layer takes or gives in the graph that it lies in.

    A nested model's own ``input`` and ``output`` belong to its inner graph; those of the base class
    are the ones of the call that made it a layer.
    """
    import keras

    return getattr(keras.Operation, side).fget(layer)


def _is_model(layer: Any) -> bool:
    return hasattr(layer, "layers") and hasattr(layer, "inputs")


def _path(nested: _NestedLayer) -> str:
    return "/".join(layer.name for layer in (*nested.containers, nested.layer))


def _snake_case(name: str) -> str:
    """Return a class name as Keras turns it into layer names: ``Conv2D`` is ``conv2d``."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
