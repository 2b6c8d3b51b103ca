"""What ``featx backbones PATH`` shows of a graph."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ....cache.errors import BackboneError, ConfigError
from ..model_file import (
    describe_model_file,
    describe_preset,
    is_model_file,
    is_preset,
    load_model,
)
from ..preprocessing import PublishedInput, read_preprocessing
from ..preprocessing.keras_hub import CONVERTER
from .describe import READERS, describe_graph
from .graph import Shape
from .keras_graph import keras_multiply_adds
from .locate import find_graph

N_INNER = 8


@dataclass(frozen=True)
class GraphSummary:
    """A graph as it is described to people.

    Attributes
    ----------
    name : str
    files : tuple of Path
    inputs, outputs : dict of str to Shape
        None stands for a side that is free.
    layer, pool : str
        What is taken where nobody says otherwise; empty where somebody must.
    n_features, n_params : int
    gmacs : float
        Thousands of millions of multiply-adds for one image; 0 where unknown.
    image_size : (height, width) or None
    preprocess, resize, interpolation : str
    origin : str
        What says so.
    last_values : tuple of str
        The last inner values, which --layer takes.
    missing, remarks : tuple of str
        What must be said before it runs, and what a person should know.
    """

    name: str
    files: tuple[Path, ...]
    inputs: dict[str, Shape]
    outputs: dict[str, Shape]
    layer: str = ""
    pool: str = ""
    n_features: int = 0
    n_params: int = 0
    gmacs: float = 0.0
    image_size: tuple[int, int] | None = None
    preprocess: str = ""
    resize: str = ""
    interpolation: str = ""
    origin: str = ""
    last_values: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def summarise(path: Path, preprocess: str | None = None) -> GraphSummary:
    """Describe the model at a path, also where something is missing to run it.

    Raises
    ------
    BackboneError
        There is no graph, or it is damaged.
    """
    if is_model_file(str(path)) or is_preset(path):
        return _of_keras(path, preprocess)
    place = find_graph(path)
    graph = READERS[place.path.suffix.lower()](place.path)
    inner = [name for name in graph.value_names() if name not in {o.name for o in graph.outputs}]
    facts = {
        "name": place.name,
        "files": graph.files,
        "inputs": {value.name: value.shape for value in graph.inputs},
        "outputs": {value.name: value.shape for value in graph.outputs},
        "last_values": tuple(inner[-N_INNER:]),
    }
    missing = []
    try:
        published = read_preprocessing(preprocess, list(place.folders), place.name)
    except ConfigError as error:
        missing.append(str(error))
        published = PublishedInput(None, "", "", "none", "")
    try:
        record = describe_graph(place, published)
    except BackboneError as error:
        return GraphSummary(**facts, missing=(*missing, str(error)))  # type: ignore[arg-type]
    return GraphSummary(
        **facts,  # type: ignore[arg-type]
        layer=record.layer,
        pool=record.pool,
        n_features=record.n_features,
        n_params=record.n_params,
        gmacs=record.gmacs,
        image_size=record.published_size,
        preprocess=published.preprocess if published.origin else "",
        resize=record.resize,
        interpolation=record.interpolation,
        origin=published.origin,
        missing=tuple(missing),
        remarks=record.remarks,
    )


def _of_keras(path: Path, preprocess: str | None) -> GraphSummary:
    """Describe a Keras model; it is built, since its file does not say the shapes of outputs."""
    missing = []
    is_stated = preprocess is not None or (path / CONVERTER).is_file()
    if not is_stated:
        missing.append("how it wants its pixels: --preprocess NAME")
    stated = preprocess if is_stated else "none"
    describe = describe_preset if path.is_dir() else describe_model_file
    record = describe(path, stated)
    height, width = record.published_size or record.shape
    size = height or record.image_size, width or record.image_size
    model = load_model(path, size)
    outputs = {output.name: tuple(output.shape) for output in model.outputs}
    return GraphSummary(
        record.name,
        record.files or (path,),
        {model.inputs[0].name: tuple(model.inputs[0].shape)},
        outputs,
        layer=record.layer if record.files else "",
        pool=record.pool,
        n_features=int(model.outputs[0].shape[-1] or 0),
        n_params=int(model.count_params()),
        gmacs=keras_multiply_adds(model, size) / 1e9,
        image_size=record.published_size,
        preprocess=record.preprocess if is_stated else "",
        resize=record.resize,
        interpolation=record.interpolation,
        origin="--preprocess" if preprocess else CONVERTER,
        last_values=tuple(layer.name for layer in model.layers[-N_INNER:]),
        missing=tuple(missing),
        remarks=record.remarks,
    )
