"""A baseline as one call: pixels into the cache, training, one model file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...cache import DEFAULT_ROOT, FeatureStore, Tag
from ...cache.errors import ImageError, SourceFormatError
from ...cache.records.run_record import BASELINE
from ...cache.results.result import TRAINED
from ...extractor.engines.keras_import import check_keras
from ...extractor.extract import extract
from ...extractor.images.decode import stored_size
from ...extractor.pipeline.sample_images import spread_indices
from ...extractor.plan import FeatureOptions, make_plan
from ...extractor.run_options import Observer, RunOptions
from ...extractor.sources import Source, open_source
from ..models.model_file import model_output
from ..selection.fit import FitReport
from ..selection.replaced import save_and_compare
from ..selection.results import keep_fit
from .fit import fit_baseline
from .head import BaselineHead
from .networks import find_network

LARGEST_SIZE = 200
"""Side in pixels that images get where theirs differ, or are larger."""

N_LOOKED_AT = 16


@dataclass(frozen=True, kw_only=True)
class BaselineOptions:
    """How a network is trained from scratch.

    Attributes
    ----------
    params : mapping
        Parameters of ``BaselineHead`` beside the network: epochs, lr, class_weight …
    size : int or None
        Side in pixels of the square images; None stands for the images' own where they are squares
        of one size up to 200 pixels, else for 200.
    resize : str
        ``squash``, ``crop`` or ``pad``.
    memory : int or None
        Bytes that the pixels may take, else three quarters of what is free; what is larger is read
        from the cache batch by batch.
    keep_state : bool
        Leave the state of training beside the model, as ``<out>.epochs``, so that a call with the
        same ``out`` and more epochs goes on from it.
    run : RunOptions
        How pixels are extracted.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    size: int | None = None
    resize: str = "squash"
    memory: int | None = None
    keep_state: bool = False
    run: RunOptions = field(default_factory=RunOptions)


def train_baseline(
    network: str,
    source: str | Path | Source,
    options: BaselineOptions | None = None,
    *,
    cache: str | Path = DEFAULT_ROOT,
    out: str | Path = "baseline.featx",
    overwrite: bool = False,
    observer: Observer | None = None,
    command: str = "",
    tag: Tag | None = None,
) -> FitReport:
    """Train a network from scratch on a source and write the model to ``out``.

    Its pixels are kept in the cache, so that the next network decodes nothing. A run that is
    interrupted goes on after its last finished epoch.

    Parameters
    ----------
    network : str
        ``fc``, ``cnn1``, ``cnn2``, ``cnn3``, ``cnn4`` or ``cnn5``.
    source : path or Source
        With labels; see ``extract_features``.
    options : BaselineOptions, optional
    cache, out : path
    overwrite : bool
        Replace any file at ``out``; otherwise only a model that shares a class.
    observer : Observer, optional
    command : str
        Kept in the model as its origin.
    tag : Tag, optional
        What the user calls the model.

    Raises
    ------
    ConfigError, TrainingDataError, SourceError, CacheWriteError, MissingLibraryError
        No model is written.
    """
    options = options or BaselineOptions()
    record = find_network(network)
    head = BaselineHead(network, **options.params)
    head.check()
    check_keras()
    opened = open_source(source)
    size = options.size or max(_common_size(opened), record.min_size)
    record.weight_shapes((size, size, 3), 2)
    wanted = FeatureOptions(
        backbone="pixels",
        image_size=size,
        resize=options.resize,
        precision="float32",
        storage="float16",  # holds whole numbers up to 2,048
    )
    store = FeatureStore(cache)
    (extracted,) = extract(opened, [make_plan(wanted)], store, options.run, observer, kind=BASELINE)
    features = store.open_features(extracted.name)
    path = model_output(Path(out), features.class_names, overwrite=overwrite)
    checkpoint = path.with_name(f"{path.name}.epochs")
    report = fit_baseline(
        features, head, checkpoint, memory=options.memory, observer=observer, command=command
    )
    named = tag.to_dict() if tag else {}
    origin = {**named, **report.model.origin, "engine": extracted.record.engine}
    report = replace(report, model=replace(report.model, origin=origin))
    report = keep_fit(store, features, report, TRAINED, observer)
    note = save_and_compare(report.model, path, store, observer, overwrite=overwrite)
    report = replace(report, prepared=report.prepared.with_note(note))
    if not options.keep_state:
        checkpoint.unlink(missing_ok=True)
    return report


def _common_size(source: Source) -> int:
    """Return the side of images that are squares of one size, at most ``LARGEST_SIZE``."""
    sizes: set[int] = set()
    for index in spread_indices(len(source.listing()), N_LOOKED_AT):
        try:
            sizes.update(stored_size(source.read(index)))
        except (OSError, ImageError):
            continue
    if not sizes:
        raise SourceFormatError(f"no image of {source.location} can be read")
    return min(sizes.pop(), LARGEST_SIZE) if len(sizes) == 1 else LARGEST_SIZE
