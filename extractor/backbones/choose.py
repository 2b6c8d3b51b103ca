"""Which backbone a name means, and which image sizes it takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...cache import FeatureSpec
from ...cache.errors import ConfigError, WeightsNotFoundError
from .graphs.describe import GraphChoice, describe_graph
from .graphs.locate import find_graph, is_graph_file
from .graphs.remembered import machine_names, recall
from .model_file import describe_model_file, describe_preset, is_model_file, is_preset
from .preprocessing import PublishedInput, find_preprocess, read_preprocessing
from .record import KERAS_FORMAT, BackboneRecord, GraphInput
from .registry import BACKBONES, find_backbone
from .weights import IMAGENET


def choose_backbone(
    name: str, preprocess: str | None = None, choice: GraphChoice | None = None
) -> BackboneRecord:
    """Return the record of a known backbone, or of the model in a file or folder.

    Parameters
    ----------
    name : str
        A name of the table, or a path: a ``.keras``, ``.h5``, ``.onnx`` or ``.xml`` file, or a
        folder as Hugging Face and timm lay them out, or KerasHub its presets.
    preprocess : str or None
        For files only: a known backbone has its own. A name, or a file that states it.
    choice : GraphChoice, optional
        The layer and the image size of the run, which decide what a graph's record says.

    Raises
    ------
    UnknownBackboneError, WeightsNotFoundError, WeightsMismatchError
        Nothing answers to the name, or the file is no model.
    ConfigError
        ``preprocess`` is missing for a file, or is not that of a known backbone.
    """
    named = {} if name in BACKBONES else machine_names()
    if name in named and not Path(name).exists():
        entry = named[name]
        return choose_backbone(entry.path, preprocess or entry.preprocess, choice)
    if is_model_file(name):
        return describe_model_file(Path(name), preprocess)
    if name not in BACKBONES and is_preset(Path(name)):
        return describe_preset(Path(name), preprocess, choice.side if choice else None)
    if is_graph(name):
        place = find_graph(Path(name))
        published = read_preprocessing(preprocess, list(place.folders), place.name)
        return describe_graph(place, published, choice)
    record = find_backbone(name)
    if preprocess is not None and find_preprocess(preprocess).name != record.preprocess:
        raise ConfigError(
            f"{record.name} was trained with the preprocessing {record.preprocess!r}, and featx "
            f"uses no other; --preprocess {preprocess} is for models in files"
        )
    return record


def is_graph(name: str) -> bool:
    """Tell whether a backbone's name is the path of a graph, or of a folder with one."""
    return is_graph_file(name) or (name not in BACKBONES and Path(name).is_dir())


def recall_backbone(spec: FeatureSpec, weights: str) -> BackboneRecord:
    """Return the record of the backbone that cached or trained features were made with.

    Parameters
    ----------
    spec : FeatureSpec
    weights : str
        Where to find the weights now; of a model in files, its path.

    Raises
    ------
    WeightsNotFoundError
        The features come from a model in files, which is not where it was when this machine last
        used it, and ``weights`` does not say where it is.
    """
    if spec.backbone in BACKBONES:
        return find_backbone(spec.backbone)
    if weights == IMAGENET:
        last_seen = recall(spec.weights_digest)
        if last_seen is None:
            raise WeightsNotFoundError(
                f"the features come from the model {spec.backbone}, which is not where this "
                "machine last saw it: say where it is with --weights PATH"
            )
        weights = str(last_seen)
    if is_model_file(weights):
        return replace(describe_model_file(Path(weights), spec.preprocess), name=spec.backbone)
    if is_preset(Path(weights)):
        return replace(describe_preset(Path(weights), spec.preprocess), name=spec.backbone)
    published = PublishedInput(
        spec.image_size, spec.resize, spec.interpolation, spec.preprocess, "the features"
    )
    record = describe_graph(find_graph(Path(weights)), published, GraphChoice(spec.layer))
    return replace(record, name=spec.backbone)


def packed_backbone(spec: FeatureSpec, format: str) -> BackboneRecord:
    """Return the record of a backbone whose converted network a file brought.

    Parameters
    ----------
    spec : FeatureSpec
        Of the features that it computes.
    format : str
        Of the backbone that was converted.
    """
    if spec.backbone in BACKBONES:
        return find_backbone(spec.backbone)
    try:
        return recall_backbone(spec, IMAGENET)
    except WeightsNotFoundError:
        graph = None if format == KERAS_FORMAT else GraphInput(format, "", False, None, ())
        return BackboneRecord(
            name=spec.backbone,
            builder="",
            preprocess=spec.preprocess,
            image_size=max(spec.image_size),
            min_size=1,
            layer=spec.layer,
            n_features=0,
            n_params=0,
            gmacs=0.0,
            weights=None,
            weights_with_top=None,
            top_layers=(),
            licence="",
            graph=graph,
        )


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
    if record.published_size is not None:
        return record.published_size
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
