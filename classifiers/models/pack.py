"""Putting the converted network of a model into its file, and taking it out for extractions."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import ConfigError, MissingLibraryError, WeightsNotFoundError
from ...extractor.backbones import IMAGENET
from ...extractor.engines import Engine, run_rows
from ...extractor.engines.model_folder import model_folder, network_facts
from ...extractor.engines.openvino.convert import ensure_converted
from ...extractor.engines.packed import FILES, PackedNetwork
from ...extractor.plan import Plan
from ...extractor.precision.calibration import calibration_images
from ...extractor.precision.drift import Drift, measure
from ...extractor.precision.reference import reference_engine
from .model import Model
from .model_file import load_model, model_output, save_model
from .network_entry import FINGERPRINT

ENGINE = "openvino"
BATCH_SIZE = 8
N_REFERENCES = 8
"""Calibration pictures whose exact features travel with a network."""


@dataclass(frozen=True)
class PackReport:
    """A model file that brings its network.

    Attributes
    ----------
    out : Path
    n_bytes : int
        Of the file.
    network_bytes : int
        Of the network in it.
    engine : str
        That it was packed with.
    reference : str
        The engine whose float32 features ``drift`` compares with.
    drift : Drift
        On the calibration pictures, in the model's precision.
    """

    out: Path
    n_bytes: int
    network_bytes: int
    engine: str
    reference: str
    drift: Drift


def pack_model(
    model: str | Path,
    out: str | Path | None = None,
    *,
    weights: str = IMAGENET,
    overwrite: bool = False,
) -> PackReport:
    """Write a model file that brings its converted network, for machines without the converter.

    Such a file is scored with OpenVINO alone: neither TensorFlow nor the backbone's weights need be
    there. Features and predictions are those of this machine, where the processor is of its kind.

    Parameters
    ----------
    model : path
    out : path, optional
        By default ``model`` itself is replaced.
    weights : str
        Where this machine has the backbone's weights: ``imagenet``, ``random:SEED`` or a path.
    overwrite : bool
        Replace any file at ``out``; otherwise only a model that shares a class.

    Returns
    -------
    PackReport

    Raises
    ------
    ModelFileError, FeatureMismatchError, BackboneError, ConfigError, MissingLibraryError
        The network cannot be had here; nothing is written.
    CacheWriteError
        The file system refused.
    """
    loaded, out = load_model(model), Path(out or model)
    model_output(out, loaded.class_names, overwrite=overwrite)
    plan = loaded.plan(weights)
    engine = plan.build_engine(BATCH_SIZE, ENGINE)
    folder = model_folder(plan.network)
    ensure_converted(plan.network, folder)
    exact = reference_engine(plan, BATCH_SIZE)
    images = calibration_images(plan.spec.image_size)
    (reference,) = run_rows(exact, images)
    drift = measure(plan.spec.precision, run_rows(engine, images), (reference,))
    with tempfile.TemporaryDirectory() as temporary:
        for name in FILES:
            shutil.copyfile(folder.path / name, Path(temporary) / name)
        network = PackedNetwork(
            source=Path(temporary),
            facts=network_facts(plan.network),
            digests=folder.digests(),
            format=plan.record.format,
            reference=reference[_reference_rows(len(images))],
            made={
                FINGERPRINT: loaded.spec.fingerprint,
                "engine": engine.name,
                "reference": exact.name,
                "drift": drift.to_dict(),
                "featx": version("featx"),
            },
        )
        save_model(replace(loaded, network=network), out, overwrite=overwrite)
        network_bytes = sum((Path(temporary) / name).stat().st_size for name in FILES)
    n_bytes = out.stat().st_size
    return PackReport(out, n_bytes, network_bytes, engine.name, exact.name, drift)


def unpack_network(model: str | Path | Model) -> Path:
    """Keep the network that a model file brings, so that extractions on this machine use it.

    Do so only with models of people whom you trust: a network decides the features of all later
    extractions with its backbone.

    Returns
    -------
    Path
        The folder of the converted network.

    Raises
    ------
    ConfigError
        The model brings none.
    ModelFileError, CacheWriteError
        The file is damaged, or the network cannot be written.
    """
    loaded = model if isinstance(model, Model) else load_model(model)
    if loaded.network is None:
        raise ConfigError(
            "the model file brings no network: on a machine that has TensorFlow, `featx model pack "
            "MODEL` puts it there"
        )
    folder = model_folder(replace(loaded.plan().network, packed=None))
    if not (folder.is_there and folder.is_whole()):
        with folder.filling() as partial:
            loaded.network.unpack(partial)
    return folder.path


def packed_drift(plan: Plan, engine: Engine) -> Drift | None:
    """Return how far an engine here is from the reference features that came with a network.

    None where the plan has no such network.
    """
    if plan.packed is None:
        return None
    images = calibration_images(plan.spec.image_size)
    rows = run_rows(engine, images[_reference_rows(len(images))])
    return measure(plan.spec.precision, rows, (plan.packed.reference,))


def drift_from_definition(plan: Plan, engine: Engine, images: NDArray[np.uint8]) -> Drift | None:
    """Return how far an engine is from the definition of a plan's features.

    On ``images``; where Keras cannot compute here, on the calibration pictures that a packed
    network brings features of; None where there are none either.
    """
    try:
        exact = reference_engine(plan, len(images))
    except (MissingLibraryError, WeightsNotFoundError):
        return packed_drift(plan, engine)
    return measure(plan.spec.precision, run_rows(engine, images), run_rows(exact, images))


def _reference_rows(n_images: int) -> NDArray[Any]:
    return np.linspace(0, n_images - 1, N_REFERENCES).astype(int)
