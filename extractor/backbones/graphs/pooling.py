"""How a graph's output becomes one vector for each image, as steps that any engine can build."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ....cache.errors import UnknownBackboneError
from ..record import BackboneRecord

TOKENS, MAP = 3, 4


@dataclass(frozen=True)
class OutputPart:
    """A part of an output, reduced. An output's vector is its flat parts, one after the other.

    Attributes
    ----------
    slices : tuple of (axis, start, stop)
    reduction : str
        ``mean``, ``max``, or empty to keep all values.
    axes : tuple of int
        Which the reduction takes away.
    """

    slices: tuple[tuple[int, int, int], ...] = ()
    reduction: str = ""
    axes: tuple[int, ...] = ()


def parts_of(
    record: BackboneRecord, layer: str, pool: str, shape: Sequence[int], size: tuple[int, int]
) -> list[OutputPart]:
    """Return the parts of a layer's output that make its vector.

    ``cls`` is the first token. ``mean`` leaves the class token and the registers out, ``avg`` and
    ``max`` take all tokens; of maps, ``mean`` and ``avg`` are the same. ``none`` keeps all tokens.

    Parameters
    ----------
    record : BackboneRecord
    layer, pool : str
    shape : sequence of int
        Of the output, the batch included.
    size : (height, width)
        Of the images.

    Raises
    ------
    UnknownBackboneError
        The output cannot be pooled so.
    """
    if pool == "flatten" or len(shape) == 2:
        return [OutputPart()]
    if len(shape) == TOKENS:
        return [_of_tokens(record, layer, pool, shape[1], size)]
    if len(shape) == MAP:
        return _of_map(record, layer, pool, shape)
    raise UnknownBackboneError(
        f"layer {layer!r} gives arrays of shape {tuple(shape[1:])}, which only the pool `flatten` "
        "can take"
    )


def n_prefix_tokens(n_tokens: int, patch: tuple[int, int] | None, size: tuple[int, int]) -> int:
    """Return how many tokens stand before those of patches: the class token and registers.

    -1 where it cannot be told.
    """
    if patch is None:
        return -1
    n_patches = (size[0] // patch[0]) * (size[1] // patch[1])
    if n_tokens >= n_patches:
        return n_tokens - n_patches
    # Networks that join patches on their way have a power of four times fewer, and no class token.
    return 0 if math.log(n_patches / max(1, n_tokens), 4).is_integer() else -1


def _of_tokens(
    record: BackboneRecord, layer: str, pool: str, n_tokens: int, size: tuple[int, int]
) -> OutputPart:
    patch = record.graph.patch if record.graph else None
    n_prefix = n_prefix_tokens(n_tokens, patch, size)
    if pool == "none":
        return OutputPart()
    if pool in ("avg", "max"):
        return OutputPart(reduction="mean" if pool == "avg" else pool, axes=(1,))
    if pool == "cls" and n_prefix:
        return OutputPart(slices=((1, 0, 1),))
    if pool == "mean" and n_prefix >= 0:
        return OutputPart(((1, n_prefix, n_tokens),), "mean", (1,))
    if pool == "cls":
        reason = "all of them of patches: there is no class token. Pool them with mean or max"
    elif pool == "mean":
        reason = (
            "of which featx cannot tell those of patches from others: pool them with avg or cls"
        )
    else:
        reason = "which have no height and width: pool them with cls, mean, avg, max or flatten"
    raise UnknownBackboneError(f"layer {layer!r} gives {n_tokens} tokens, {reason}")


def _of_map(
    record: BackboneRecord, layer: str, pool: str, shape: Sequence[int]
) -> list[OutputPart]:
    is_last = bool(record.graph and record.graph.is_channels_last)
    axes = (1, 2) if is_last else (2, 3)
    if pool in ("avg", "mean", "max"):
        return [OutputPart(reduction="max" if pool == "max" else "mean", axes=axes)]
    if pool == "grid:2":
        halves = [
            [(axis, 0, -(-shape[axis] // 2)), (axis, shape[axis] // 2, shape[axis])]
            for axis in axes
        ]
        return [
            OutputPart((rows, columns), "mean", axes) for rows in halves[0] for columns in halves[1]
        ]
    if all(shape[axis] == 1 for axis in axes):
        return [OutputPart()]
    advice = "has no class token: " if pool == "cls" else ""
    raise UnknownBackboneError(
        f"layer {layer!r} gives maps of shape {tuple(shape[1:])}, not vectors: {advice}pool them "
        "with avg, max, grid:2 or flatten"
    )
