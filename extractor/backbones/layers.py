"""Finding a layer of a model by name, also inside models that are layers of it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ...cache.errors import UnknownBackboneError
from ...cache.suggest import did_you_mean

LAST_MAP = "last_map"
"""Stands for the last layer that gives a map; no model of ours has a layer of that name."""

MAP_RANK = 4
NOT_COUNTED = ("reshape_2",)
"""Names that look counted but that a builder gives itself (MobileNet, before its predictions)."""


class LayerOutput(NamedTuple):
    """A layer's name and its symbolic output in the graph of the outermost model."""

    name: str
    output: Any


class _Place(NamedTuple):
    """A layer and the models, from the outside in, that it lies in."""

    containers: tuple[Any, ...]
    layer: Any


def find_layer(model: Any, name: str, absent: Iterable[str] = ()) -> LayerOutput:
    """Return a layer of ``model`` with its output, or of a model nested in it.

    Parameters
    ----------
    model : keras.Model
    name : str
        A layer's name; for nested ones, where it is not unique, ``outer/inner``. ``last_map``
        stands for the last layer with an output ``(n, height, width, channels)``.
    absent : iterable of str
        Further layers that a caller could have asked for, to be named among the close matches.

    Raises
    ------
    UnknownBackboneError
        There is no such layer (the message lists close matches), or there are several.
    """
    if name == LAST_MAP:
        return _last_map(model)
    places = list(_walk(model))
    found = [p for p in places if not p.containers and p.layer.name == name]
    found = found or [p for p in places if name in (p.layer.name, _path(p))]
    if not found:
        names = {place.layer.name for place in places} | set(absent)
        raise UnknownBackboneError(
            f"{model.name} has no layer {name!r}. {did_you_mean(name, names)}"
        )
    if len(found) > 1:
        raise UnknownBackboneError(
            f"{model.name} has several layers {name!r}: name one of "
            f"{', '.join(_path(place) for place in found)}"
        )
    return LayerOutput(name, _output(found[0]))


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


def _walk(model: Any, containers: tuple[Any, ...] = ()) -> Iterator[_Place]:
    for layer in model.layers:
        yield _Place(containers, layer)
        if _is_model(layer):
            yield from _walk(layer, (*containers, layer))


def _last_map(model: Any) -> LayerOutput:
    place = _find_last_map(model, ())
    if place is None:
        names = ", ".join(layer.name for layer in model.layers[-8:])
        raise UnknownBackboneError(
            f"{model.name} has no layer that gives maps: name one with --layer. Its last layers: "
            f"{names}"
        )
    return LayerOutput(place.layer.name, _output(place))


def _find_last_map(model: Any, containers: tuple[Any, ...]) -> _Place | None:
    for layer in reversed(model.layers):
        if len(getattr(_node(layer, "output"), "shape", ())) == MAP_RANK:
            return _Place(containers, layer)
        if _is_model(layer):
            inner = _find_last_map(layer, (*containers, layer))
            if inner is not None:
                return inner
    return None


def _output(place: _Place) -> Any:
    """Return a layer's output in the outermost graph; layers are shared, weights are not copied."""
    import keras

    tensor = _node(place.layer, "output")
    for container in reversed(place.containers):
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


def _path(place: _Place) -> str:
    return "/".join(layer.name for layer in (*place.containers, place.layer))


def _snake_case(name: str) -> str:
    """Return a class name as Keras turns it into layer names: ``Conv2D`` is ``conv2d``."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
