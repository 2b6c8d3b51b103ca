"""The files of a log for TensorBoard's Embedding Projector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....cache import FeatureSet
from ....cache.errors import ConfigError, SourceError
from ....cache.format.atomic import atomic_path
from ....extractor.images.sprite import MAX_SIDE, encode_sprite, fitting_side, make_sprite
from ....extractor.pipeline.thumbnails import read_thumbnails, thumbnail_geometry
from ....extractor.run_options import Observer
from ....extractor.sources.snapshot_images import open_images
from ...models.model import Model
from ..curves.stratified import stratified_sample
from .config import Embedding
from .metadata import MAX_COLOURS, PointPredictions, point_columns, write_metadata
from .tensors import write_tensors

MAX_POINTS = 100_000
"""The projector reads no more lines of a file."""
PREDICT_ROWS = 8192


@dataclass(frozen=True, kw_only=True)
class ProjectOptions:
    """What the projector is shown.

    Attributes
    ----------
    max_points : int
        Of more images a sample is taken, stratified by class.
    thumbnail_side : int
        Pixels of a thumbnail, at most; 0 writes none.
    source : str or None
        Where the images are, if no longer where they were extracted from.
    overwrite : bool
        Replace a configuration at ``logdir`` that featx did not write.
    """

    max_points: int = MAX_POINTS
    thumbnail_side: int = 64
    source: str | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.max_points <= MAX_POINTS:
            raise ConfigError(
                f"--points counts from 1 to {MAX_POINTS:,}, which is as many as the projector "
                f"shows; got {self.max_points:,}"
            )
        if not 0 <= self.thumbnail_side <= MAX_SIDE:
            raise ConfigError(
                f"--thumbnails takes pixels a side, from 0 (none) to {MAX_SIDE:,}; got "
                f"{self.thumbnail_side:,}"
            )


@dataclass(frozen=True)
class Projected:
    """One feature set as it was written.

    Attributes
    ----------
    name : str
        In the projector's list.
    features : str
        In the cache.
    n_points, n_samples, n_features : int
        Points written, images that have features, and width.
    thumbnail_side : int
        0 where there are no thumbnails.
    model : str
        Whose predictions stand beside the points; empty where no model fits.
    """

    name: str
    features: str
    n_points: int
    n_samples: int
    n_features: int
    thumbnail_side: int
    model: str


class LogWriter:
    """Writes the files of each source below a log's folder."""

    def __init__(
        self,
        logdir: Path,
        options: ProjectOptions,
        models: Mapping[str, tuple[str, Model]],
        observer: Observer,
    ) -> None:
        self.logdir, self.options, self.models, self.observer = logdir, options, models, observer
        self.projected: list[Projected] = []
        self.notes: list[str] = []

    def write(self, sets: Sequence[FeatureSet], names: Mapping[str, str]) -> Iterator[Embedding]:
        """Write the sets of one source, and yield their entries."""
        samples = sets[0].kept
        for other in sets[1:]:
            samples = np.intersect1d(samples, other.kept, assume_unique=True)
        if not len(samples):
            raise ConfigError(f"{sets[0].manifest.name} has no image with all of these features")
        labels = sets[0].manifest.labels[samples]
        chosen = samples[stratified_sample(labels, self.options.max_points)]
        folder = f"featx/{sets[0].manifest.name}"
        self._say_what_is_shown(sets[0], len(samples), chosen)
        sprite, side = self._write_sprite(sets[0], chosen, folder)
        for one in sets:
            rows = np.searchsorted(one.kept, chosen)
            path = f"{folder}/{one.spec.digits}"
            predictions = self._predict(one, rows)
            write_tensors(self.logdir / path / "tensors.bytes", one.X, rows)
            model = self.models[one.name][1] if one.name in self.models else None
            columns = point_columns(one, rows, predictions, model)
            write_metadata(self.logdir / path / "metadata.tsv", columns)
            model_path = predictions.model if predictions else ""
            shape = (len(rows), one.X.shape[1])
            name = names[one.name]
            self.projected.append(
                Projected(name, one.name, shape[0], len(one), shape[1], side, model_path)
            )
            yield Embedding(
                name, f"{path}/tensors.bytes", f"{path}/metadata.tsv", sprite, shape, side
            )

    def _say_what_is_shown(
        self, features: FeatureSet, n_samples: int, chosen: NDArray[np.int64]
    ) -> None:
        if len(chosen) < n_samples:
            self.notes.append(
                f"A sample of {len(chosen):,} of {n_samples:,} images of {features.manifest.name}, "
                "stratified by class."
            )
        n_classes = len(np.unique(features.manifest.labels[chosen]))
        if n_classes > MAX_COLOURS:
            self.notes.append(
                f"The projector colours by at most {MAX_COLOURS} values, and there are "
                f"{n_classes:,} classes: colour by `frequent label`, which joins the rare ones."
            )

    def _write_sprite(
        self, features: FeatureSet, chosen: NDArray[np.int64], folder: str
    ) -> tuple[str, int]:
        """Write the thumbnails; return the sprite's path and their side, or none of both."""
        if not self.options.thumbnail_side:
            return "", 0
        try:
            images = open_images(features.manifest, self.options.source)
        except SourceError as error:
            if self.options.source is not None:
                raise
            self.notes.append(f"No thumbnails: {error}. Name the images with --source.")
            return "", 0
        side = fitting_side(len(chosen), self.options.thumbnail_side)
        if side < self.options.thumbnail_side:
            self.notes.append(
                f"Thumbnails of {side} pixels: a sprite of {len(chosen):,} has at most "
                f"{MAX_SIDE:,} pixels a side."
            )
        geometry = thumbnail_geometry(features.spec.parts[0], side)
        self.observer.begin(len(chosen), "thumbnails")
        thumbnails = read_thumbnails(images, chosen, geometry, self.observer.advance)
        if thumbnails.reasons:
            first = next(iter(thumbnails.reasons))
            self.notes.append(
                f"{len(thumbnails.reasons):,} thumbnails are grey, the first of "
                f"{features.manifest.sample_ids[int(chosen[first])]}: {thumbnails.reasons[first]}."
            )
        path = f"{folder}/sprite.jpg"
        with atomic_path(self.logdir / path) as partial:
            partial.write_bytes(encode_sprite(make_sprite(thumbnails.pixels)))
        return path, side

    def _predict(self, features: FeatureSet, rows: NDArray[np.int64]) -> PointPredictions | None:
        if features.name not in self.models:
            return None
        path, model = self.models[features.name]
        predicted, probability = [], []
        for start in range(0, len(rows), PREDICT_ROWS):
            block = np.asarray(features.X[rows[start : start + PREDICT_ROWS]])
            probabilities = model.predict_proba(block)
            predicted.append(probabilities.argmax(axis=1))
            probability.append(probabilities.max(axis=1))
        return PointPredictions(
            path, np.concatenate(predicted), np.concatenate(probability), model.class_names
        )
