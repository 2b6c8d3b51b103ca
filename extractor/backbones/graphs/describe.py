"""The record of a backbone that is a graph in a file."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ....cache.errors import UnknownBackboneError, WeightsMismatchError
from ....cache.spec import is_published
from ....cache.suggest import did_you_mean
from ...images.published_resize import PublishedResize
from ..preprocessing import Preprocess, PublishedInput, find_preprocess
from ..record import BackboneRecord, GraphInput
from .graph import Affine, Graph, Value
from .locate import GraphPlace
from .onnx_file import read_onnx
from .openvino_file import read_openvino
from .pooling import n_prefix_tokens

READERS = {".onnx": read_onnx, ".xml": read_openvino}
DEFAULT_SIZE = 224
N_CHANNELS = 3
USUAL_OUTPUTS = (
    *("image_embeds", "image_embeddings", "pooler_output", "features", "embedding", "embeddings"),
    *("last_hidden_state", "feature_maps"),
)
"""Outputs that hold features, the best one first, by the names that exporters give them."""

CLASS_SCORES = ("logits", "scores", "probs", "probabilities")
SMALL_FACTOR = 0.1
MAX_PIXEL, MAX_NORMALISED = 255.0, 100.0


@dataclass(frozen=True)
class GraphChoice:
    """What a person, or a FeatureSpec, says of a graph.

    Attributes
    ----------
    layer : str or None
        None stands for the output that holds the features.
    side : int or None
        Of the square in pixels; None stands for the published size.
    """

    layer: str | None = None
    side: int | None = None


def describe_graph(
    place: GraphPlace, published: PublishedInput, choice: GraphChoice | None = None
) -> BackboneRecord:
    """Return the record of the graph at a place; runs nothing.

    Raises
    ------
    WeightsMismatchError
        The file is damaged, or no network of images.
    UnknownBackboneError
        It has no such layer, or several outputs of which none is known to hold features.
    """
    read = READERS[place.path.suffix.lower()]
    choice = choice or GraphChoice()
    graph = read(place.path)
    layer = _layer(graph, choice.layer, place.name)
    image = _image_input(graph, layer, place)
    size = _size(image, published, choice.side, place.name)
    # A second reading works the shapes of inner values out for the size of the run.
    graph = read(place.path, {image.name: _sides(image, size)})
    shape = graph.shapes.get(layer, ())
    patch = graph.patch_of(image.name)
    remarks = [published.remark, _scores_remark(graph, layer)]
    remarks.append(
        _twice(graph.affine_of(image.name), find_preprocess(published.preprocess), published)
    )
    remarks.append(_resized(graph, image.name, layer))
    record = BackboneRecord(
        name=place.name,
        builder="",
        preprocess=published.preprocess,
        image_size=max(size),
        min_size=1,
        shape=_bound(image),
        layer=layer,
        pool=_pool(shape, patch, size),
        n_features=0,
        n_params=graph.n_params([layer]),
        gmacs=(graph.n_multiply_adds([layer]) or 0) / 1e9,
        weights=None,
        weights_with_top=None,
        top_layers=(),
        licence="",
        path=place.path,
        graph=GraphInput(graph.format, image.name, _is_channels_last(image), patch, graph.files),
        published_size=size,
        resize=_resize(published, size),
        interpolation=published.interpolation,
        remarks=tuple(filter(None, remarks)),
    )
    return replace(record, n_features=_n_features(shape, record.pool))


def find_value(graph: Graph, name: str, backbone: str) -> str:
    """Return the value of a graph that ``--layer`` names.

    Raises
    ------
    UnknownBackboneError
        There is none; the message lists close matches and the outputs.
    """
    value = graph.value_of(name)
    if not value:
        outputs = ", ".join(output.name for output in graph.outputs)
        raise UnknownBackboneError(
            f"{backbone} has no layer {name!r}. {did_you_mean(name, graph.value_names())} Its "
            f"outputs: {outputs}"
        )
    return value


def _layer(graph: Graph, wanted: str | None, backbone: str) -> str:
    """Return the value that is asked for, else the output that holds the features."""
    if wanted is not None:
        return find_value(graph, wanted, backbone)
    names = [output.name for output in graph.outputs]
    usual = next((name for name in USUAL_OUTPUTS if name in names), None)
    if usual is None and len(names) > 1:
        raise UnknownBackboneError(
            f"{backbone} has several outputs, and featx cannot tell which holds the features: "
            f"--layer takes one of {', '.join(names[:12])}"
        )
    return usual or names[0]


def _image_input(graph: Graph, layer: str, place: GraphPlace) -> Value:
    inputs = graph.inputs_for([layer])
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise WeightsMismatchError(
            f"{layer} of {place.path} depends on {len(inputs)} inputs ({names}): expected one, the "
            "image. Another output may need the image alone: --layer NAME"
        )
    (image,) = inputs
    channels = (image.shape[1], image.shape[3]) if len(image.shape) == 4 else ()
    if not any(n in (N_CHANNELS, None) for n in channels):
        sides = " × ".join("?" if side is None else str(side) for side in image.shape)
        raise WeightsMismatchError(
            f"{place.path} takes {image.name} of shape {sides}: expected RGB images, (n, 3, "
            "height, width) or (n, height, width, 3)"
        )
    return image


def _is_channels_last(image: Value) -> bool:
    return image.shape[1] not in (N_CHANNELS, None) or (
        image.shape[3] == N_CHANNELS and image.shape[1] is None
    )


def _bound(image: Value) -> tuple[int | None, int | None]:
    """Return the height and width that the file fixes."""
    height, width = image.shape[1:3] if _is_channels_last(image) else image.shape[2:4]
    return height, width


def _sides(image: Value, size: tuple[int, int]) -> list[int]:
    """Return the shape of the input for one image; a batch that the file fixes stays."""
    batch = image.shape[0] or 1
    return [batch, *size, N_CHANNELS] if _is_channels_last(image) else [batch, N_CHANNELS, *size]


def _size(
    image: Value, published: PublishedInput, side: int | None, backbone: str
) -> tuple[int, int]:
    """Return the height and width of the run's images; refuse those that the file cannot take."""
    height, width = _bound(image)
    wanted = (side, side) if side else published.image_size
    wanted = wanted or (height or width or DEFAULT_SIZE, width or height or DEFAULT_SIZE)
    if any(b not in (None, s) for b, s in zip((height, width), wanted, strict=True)):
        whose = f"--size {side}" if side else published.origin
        raise WeightsMismatchError(
            f"{backbone} takes images of {height or wanted[0]}×{width or wanted[1]} pixels only, "
            f"and {whose} says {wanted[0]}×{wanted[1]}. featx resizes no position embeddings: "
            + ("leave --size out" if side else "export the graph for that size")
        )
    return wanted


def _resize(published: PublishedInput, size: tuple[int, int]) -> str:
    """Return the published rule, for another size in proportion."""
    stated = published.image_size
    if stated is None or stated == size or not is_published(published.resize):
        return published.resize
    return str(PublishedResize.parse(published.resize).scaled(size[0] / stated[0]))


def _pool(
    shape: tuple[int | None, ...], patch: tuple[int, int] | None, size: tuple[int, int]
) -> str:
    if len(shape) != 3:
        return "none" if len(shape) == 2 else "avg"
    n_prefix = n_prefix_tokens(shape[1], patch, size) if shape[1] else -1
    return "cls" if n_prefix else "mean"


def _n_features(shape: tuple[int | None, ...], pool: str) -> int:
    if not shape:
        return 0
    return (shape[1] if len(shape) == 4 else shape[-1]) or 0


def _scores_remark(graph: Graph, layer: str) -> str:
    if layer not in CLASS_SCORES or layer not in [output.name for output in graph.outputs]:
        return ""
    products = [node for node in graph.needed_for([layer]) if node.kind in ("MatMul", "Gemm")]
    before = (
        f", such as {products[-1].inputs[0]}, what the scores are computed from" if products else ""
    )
    return f"its output {layer} gives the scores of classes. --layer takes inner values{before}"


def _twice(affine: Affine | None, preprocess: Preprocess, published: PublishedInput) -> str:
    """Warn where the graph does again what the preprocessing does, or needs what it does not do."""
    if affine is None:
        return ""
    begins = f"the graph itself begins with x · {_shown(affine.scale)} + ({_shown(affine.shift)})"
    takes_bytes = bool(np.abs(affine.scale).max() < SMALL_FACTOR)
    instead = f"--preprocess {'none' if takes_bytes else 'unit'} leaves it to the graph"
    shifts = bool(np.any(affine.shift)) and any(preprocess.mean)
    scales = takes_bytes and min(preprocess.scale) > 1 / SMALL_FACTOR
    if shifts or scales:
        return f"pixels are normalised twice: {begins}, after {published.origin}. {instead}"
    largest = float(np.abs(MAX_PIXEL / min(preprocess.scale) * affine.scale + affine.shift).max())
    if largest > MAX_NORMALISED:
        return (
            f"pixels reach {largest:.0f} after normalisation: {begins}, which suits pixels from 0 "
            f"to 1. {instead}"
        )
    return ""


def _shown(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    return ", ".join(f"{value:.4g}" for value in values.reshape(-1)[:N_CHANNELS])


def _resized(graph: Graph, image: str, layer: str) -> str:
    """Say where the graph resizes position embeddings on its way to a layer."""
    names = {name for node in graph.needed_for([layer]) for name in node.outputs}
    for node in graph.constant_resizes(image):
        shapes = [graph.shapes.get(name, ()) for name in (node.inputs[0], node.outputs[0])]
        if node.outputs[0] in names and shapes[0] != shapes[1]:
            sides = [" × ".join(map(str, shape[-2:])) for shape in shapes if shape]
            between = f" from {sides[0]} to {sides[1]}" if len(sides) == 2 else ""
            return f"the graph resizes its position embeddings{between} for this image size"
    return ""
