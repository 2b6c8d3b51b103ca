"""Fine-tuned layers in a model file: plain arrays, and what the document says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from ...cache import AnySpec
from ...cache.errors import ModelFileError
from ...extractor.backbones.tuned import TailWeights


def tail_arrays(tail: TailWeights) -> dict[str, NDArray[Any]]:
    """Return the arrays under names that a member of the file may have."""
    return {f"a{number}": values for number, values in enumerate(tail.arrays.values())}


def about_tail(tail: TailWeights) -> dict[str, Any]:
    """Return what the file's document says of fine-tuned layers."""
    return {"layer": tail.layer, "base_digest": tail.base_digest, "names": list(tail.arrays)}


def read_tail(about: Any, arrays: Mapping[str, NDArray[Any]], spec: AnySpec) -> TailWeights | None:
    """Return what ``tail_arrays`` and ``about_tail`` have written; None where there is nothing.

    Raises
    ------
    ModelFileError
        The two do not fit each other, or are not the weights that ``spec`` names.
    """
    if about is None and not arrays:
        return None
    names, layer, base_digest = about["names"], about["layer"], about["base_digest"]
    if not all(isinstance(text, str) for text in (*names, layer, base_digest)):
        raise ModelFileError("what it says of its fine-tuned layers is misshapen")
    if set(arrays) != {f"a{number}" for number in range(len(names))}:
        raise ModelFileError("its fine-tuned layers have other arrays than names")
    named = {name: arrays[f"a{number}"] for number, name in enumerate(names)}
    tail = TailWeights(layer, base_digest, named)
    if tail.digest not in [part.weights_digest for part in spec.parts]:
        raise ModelFileError("its fine-tuned layers are not those that its feature spec names")
    return tail
