"""Which backbone a name means, and which image sizes it takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...cache.errors import ConfigError, WeightsNotFoundError
from .model_file import describe_model_file, is_model_file
from .record import BackboneRecord
from .registry import find_backbone
from .weights import IMAGENET


def choose_backbone(name: str, preprocess: str | None = None) -> BackboneRecord:
    """Return the record of a known backbone, or of the Keras model in a file.

    Parameters
    ----------
    name : str
        A name of the table, or the path of a ``.keras`` or ``.h5`` file.
    preprocess : str or None
        For files only: a known backbone has its own.

    Raises
    ------
    UnknownBackboneError, WeightsNotFoundError, WeightsMismatchError
        Nothing answers to the name, or the file is no model.
    ConfigError
        ``preprocess`` is missing for a file, or is not that of a known backbone.
    """
    if is_model_file(name):
        return describe_model_file(Path(name), preprocess)
    record = find_backbone(name)
    if preprocess not in (None, record.preprocess):
        raise ConfigError(
            f"{record.name} was trained with the preprocessing {record.preprocess!r}, and featx "
            f"uses no other; --preprocess {preprocess} is for model files"
        )
    return record


def recall_backbone(name: str, preprocess: str, weights: str) -> BackboneRecord:
    """Return the record of the backbone that cached or trained features were made with.

    Parameters
    ----------
    name, preprocess : str
        As the FeatureSpec states them.
    weights : str
        Where to find them now; of a model file, its path.

    Raises
    ------
    WeightsNotFoundError
        The features come from a model file, and ``weights`` does not say where it is.
    """
    if not is_model_file(name):
        return find_backbone(name)
    if weights == IMAGENET:
        raise WeightsNotFoundError(
            f"the features come from the Keras model {name}: say where it is with --weights PATH"
        )
    return replace(describe_model_file(Path(weights), preprocess), name=name)


def choose_size(record: BackboneRecord, layer: str, side: int | None) -> tuple[int, int]:
    """Return height and width of the images that a backbone takes.

    Parameters
    ----------
    record : BackboneRecord
    layer : str
    side : int or None
        What a person asked for; None stands for the backbone's own size.

    Raises
    ------
    ConfigError
        The backbone, or the top that ``layer`` belongs to, does not take images of that size.
    """
    height, width = record.shape
    if side is None:
        return height or record.image_size, width or record.image_size
    if any(bound not in (None, side) for bound in (height, width)):
        raise ConfigError(
            f"{record.name} takes images of {height or side}×{width or side} pixels only, got "
            f"{side}. Leave --size out"
        )
    if side < record.min_size:
        raise ConfigError(
            f"{record.name} takes images of {record.min_size} pixels or more, got {side}"
        )
    if record.top_size not in (None, side) and layer in record.top_layers:
        raise ConfigError(
            f"layer {layer!r} belongs to the top of {record.name}, which takes images of "
            f"{record.top_size} pixels only, got {side}. Leave --size out, or name a layer below it"
        )
    return side, side
