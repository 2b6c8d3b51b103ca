"""Loading a weights file into a known backbone, so that it computes what was published."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...cache.errors import WeightsMismatchError
from .record import BackboneRecord

Builder = Callable[[BackboneRecord, bool, tuple[int, int]], Any]

IMAGENET_STDDEV = (0.229, 0.224, 0.225)


def load_weights(
    record: BackboneRecord,
    path: Path,
    include_top: bool,
    image_size: tuple[int, int],
    build: Builder,
) -> Any:
    """Build a backbone and load a weights file into it.

    A file with a top serves a backbone without one; the top is left out.

    Raises
    ------
    WeightsMismatchError
        The file does not fit the backbone; the message says so where only its top is missing.
    """
    model = build(record, include_top, image_size)
    reason = _try_load(model, path)
    if reason and not include_top and _take_from_top(model, record, path, build):
        reason = ""
    if reason:
        if include_top and not _try_load(build(record, False, image_size), path):
            raise WeightsMismatchError(
                f"{path} holds {record.name} without its top, and the layer that you name belongs "
                "to the top: pass the file with the top, or name a layer below it"
            )
        raise WeightsMismatchError(
            f"{path} does not fit {record.name} {'with' if include_top else 'without'} its top: "
            f"{reason}. Expected a Keras weights file of exactly this architecture"
        )
    if record.stddev_as_variance:
        _divide_by_stddev(model)
    return model


def _try_load(model: Any, path: Path) -> str:
    """Load the file; return why it does not fit, or an empty string."""
    try:
        model.load_weights(str(path))
    except (ValueError, OSError, LookupError, TypeError, AttributeError) as error:
        return str(error).strip().split("\n")[0][:300] or type(error).__name__
    return ""


def _take_from_top(model: Any, record: BackboneRecord, path: Path, build: Builder) -> bool:
    """Fill ``model`` from a file of the whole network; False where the file is none.

    The top's layers come last, so the weights below it come first, in the same order.
    """
    whole = build(record, True, (record.image_size, record.image_size))
    if _try_load(whole, path):
        return False
    model.set_weights(whole.get_weights()[: len(model.weights)])
    return True


def _divide_by_stddev(model: Any) -> None:
    """Make EfficientNet's first layers divide by the standard deviation, as it was trained.

    Its published files store the deviation where a variance belongs, so that the normalisation
    divides by its root only. ``keras.applications`` therefore adds a second rescaling, but only
    for ``weights="imagenet"``; here the variance itself is put right.
    (https://github.com/tensorflow/tensorflow/issues/49930)
    """
    layer = next(layer for layer in model.layers if type(layer).__name__ == "Normalization")
    mean, variance, count = layer.get_weights()
    layer.set_weights([mean, variance * np.array(IMAGENET_STDDEV, np.float32), count])
    layer.finalize_state()
