"""Writing cached features as a log for TensorBoard's Embedding Projector."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ....cache import DEFAULT_ROOT, FeatureSet, FeatureStore
from ....cache.errors import FeatureMismatchError
from ....cache.format.atomic import write_text
from ....cache.output_path import output_file, output_folder
from ....extractor.run_options import LogObserver, Observer
from ...models.model import Model
from ...models.model_file import load_model
from .config import CONFIG_NAME, config_text, is_config, safe_name
from .log_writer import LogWriter, Projected, ProjectOptions


@dataclass(frozen=True)
class ProjectReport:
    """What was written to a log.

    Attributes
    ----------
    logdir : str
    projected : tuple of Projected
    notes : tuple of str
        What a person should know, such as that it is a sample.
    seconds : float
    """

    logdir: str
    projected: tuple[Projected, ...]
    notes: tuple[str, ...]
    seconds: float


def project_features(
    features: Sequence[str | None],
    logdir: str | Path,
    *,
    models: Sequence[str | Path] = (),
    options: ProjectOptions | None = None,
    cache: str | Path = DEFAULT_ROOT,
    observer: Observer | None = None,
) -> ProjectReport:
    """Write cached features for TensorBoard's Embedding Projector.

    Feature sets of one source show the same samples, in one order.

    Parameters
    ----------
    features : sequence of str or None
        Names of cached features; None is the newest.
    logdir : path
        What ``tensorboard --logdir`` is given.
    models : sequence of path
        Model files; each predicts the points of the features that it was made for.
    options : ProjectOptions, optional
    cache : path
    observer : Observer, optional

    Raises
    ------
    FeaturesNotFoundError, ModelFileError, FeatureMismatchError, ConfigError, CacheWriteError
        The configuration, which is written last, is as it was.
    """
    start, options = time.perf_counter(), options or ProjectOptions()
    store, logdir = FeatureStore(cache), Path(logdir)
    opened = list({one.name: one for one in map(store.open_features, features)}.values())
    logdir = output_folder(logdir, "the log", lambda _: None)
    config = output_file(
        logdir / CONFIG_NAME, "a configuration", is_config, overwrite=options.overwrite
    )
    writer = LogWriter(logdir, options, _fitting_models(models, opened), observer or LogObserver())
    groups: dict[str, list[FeatureSet]] = {}
    for one in opened:
        groups.setdefault(one.manifest.name, []).append(one)
    names = iter(_names(opened))
    by_features = {one.name: next(names) for one in opened}
    embeddings = [e for sets in groups.values() for e in writer.write(sets, by_features)]
    write_text(config, config_text(embeddings))
    return ProjectReport(
        str(logdir),
        tuple(writer.projected),
        tuple(dict.fromkeys(writer.notes)),
        time.perf_counter() - start,
    )


def _fitting_models(
    paths: Sequence[str | Path], opened: Sequence[FeatureSet]
) -> dict[str, tuple[str, Model]]:
    """Return the model for each set of features, by their name; refuse one that fits none."""
    chosen: dict[str, tuple[str, Model]] = {}
    for path in paths:
        model = load_model(path)
        fitting = [one for one in opened if set(model.spec.difference(one.spec)) <= {"storage"}]
        if not fitting:
            try:
                model.check_spec(opened[0].spec)
            except FeatureMismatchError as error:
                raise FeatureMismatchError(f"{path}: {error}") from None
        chosen |= {one.name: (str(path), model) for one in fitting}
    return chosen


def _names(opened: Sequence[FeatureSet]) -> list[str]:
    """Return a short unique name for each set: backbone and layer, and more where those repeat."""
    several = len({one.manifest.name for one in opened}) > 1
    names = []
    for one in opened:
        spec = one.spec
        parts = [spec.backbone, spec.layer, "+".join(part.pool for part in spec.parts)]
        names.append(safe_name("/".join([one.manifest.name, *parts] if several else parts)))
    return [
        name if names.count(name) == 1 else f"{name}@{one.spec.digits}"
        for name, one in zip(names, opened, strict=True)
    ]
