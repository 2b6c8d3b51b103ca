"""The doctor: what an extraction would run on here, and how fast each of its stages is."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..cache import FeatureBatch, FeatureStore
from ..cache.errors import SourceFormatError
from ..cache.manifest import DIGEST_BYTES
from ..cache.places.remote_path import RemotePath
from .engines import Engine, choose_engine, run_rows
from .engines.batch_size import images_per_second
from .engines.keras import accelerators, has_bfloat16
from .engines.keras_import import import_keras, missing_for_keras
from .engines.model_folder import model_folder
from .engines.registry import ENGINES
from .machine.hardware import Hardware, this_machine
from .pipeline.rates import StageRates
from .pipeline.sample_images import spread_indices
from .pipeline.scan import scan_source
from .pipeline.stream import FeatureStream
from .plan import Plan
from .precision.resolve import resolve_precision
from .run_options import LogObserver, RunOptions
from .sources import Source

N_IMAGES = 128
INFER_SECONDS = 2.0


@dataclass(frozen=True)
class Diagnosis:
    """What an extraction would run on, and how fast it would be.

    Attributes
    ----------
    hardware : Hardware
    accelerators : str
        What Keras' backend says of the accelerators that there are signs of; empty without signs.
    engine, engine_why : str
        Name of the engine that was built, and why it was chosen.
    precision, precision_why : str
    batch_size : int
    model_folder : str
        Where the converted network lies; empty where the engine needs none.
    n_images : int
        Images that were measured.
    rates : StageRates
    bottleneck : str
        One sentence: what would hold a run up, and what to change.
    warnings : tuple of str
    """

    hardware: Hardware
    accelerators: str
    engine: str
    engine_why: str
    precision: str
    precision_why: str
    batch_size: int
    model_folder: str
    n_images: int
    rates: StageRates
    bottleneck: str
    warnings: tuple[str, ...]


def examine(source: Source, plan: Plan, store: FeatureStore, options: RunOptions) -> Diagnosis:
    """Measure every stage by itself on some images of ``source``; nothing is kept in the cache.

    Raises
    ------
    SourceFormatError
        None of the images tried can be read.
    BackboneError, ConfigError
        The network cannot be built.
    """
    machine = this_machine()
    record, why = choose_engine(options.engine, machine, plan.record.format)
    scan = scan_source(source)
    (plan,) = resolve_precision([plan], scan, store, options, LogObserver().say)
    with FeatureStream(scan, [plan], None, options) as stream:
        indices = sorted(spread_indices(scan.n_samples, N_IMAGES))
        # The first image of a format loads what decodes it, which is no part of the rate.
        list(stream.read(indices[:1], every_row=True))
        items = list(stream.read(indices, every_row=True))
        images = [item.pixels[0] for item in items if item.pixels]
        if not images:
            raise SourceFormatError(
                f"none of the {len(items)} images tried in {source.location} can be read"
            )
        stage = stream.stages[0]
        engine, size = stage.start(), plan.network.image_size
        inference = images_per_second(engine, size, INFER_SECONDS)
        (row, *_) = run_rows(engine, images[0][np.newaxis])
    rates = StageRates(
        read=_rate(len(items), sum(item.read_seconds for item in items), options),
        decode=_rate(len(images), sum(item.decode_seconds for item in items), options),
        inference=inference,
        write=_write_rate(store, plan, row),
        n_workers=options.n_workers,
        n_cores=machine.n_cores,
    )
    slower = stage.slow_fallback
    is_converted = ENGINES[engine.kind].converts
    return Diagnosis(
        hardware=machine,
        accelerators=_accelerators(machine),
        engine=engine.name,
        engine_why=why if engine.kind == record.name else slower,
        precision=engine.precision,
        precision_why=plan.notes[0]["precision"].partition(": ")[2],
        batch_size=stage.batch_size,
        model_folder=str(model_folder(plan.network).path) if is_converted else "",
        n_images=len(images),
        rates=rates,
        bottleneck=rates.sentence(_advice(engine, plan.record.format)),
        warnings=(slower,) if slower else (),
    )


def _accelerators(machine: Hardware) -> str:
    if not machine.gpus and not machine.gpu_hints:
        return ""
    if name := missing_for_keras():
        return f"Keras can use none: {name} is not installed"
    backend = import_keras().backend.backend()
    names = accelerators()
    if not names:
        return f"{backend} can use none"
    formats = "with" if has_bfloat16() else "without"
    return f"{backend} can use {', '.join(names)}, {formats} bfloat16 in hardware"


def _rate(n: int, seconds: float, options: RunOptions) -> float:
    """Return images/s of all threads together, given the seconds of all together."""
    return n * options.n_workers / max(seconds, 1e-9)


def _advice(engine: Engine, format: str) -> str:
    fastest, _ = choose_engine(format=format)
    if engine.kind != fastest.name and not engine.on_accelerator:
        return f"--engine {fastest.name} would help"
    if engine.precision == "float32":
        return "a smaller --size, a lighter --backbone or a GPU would help"
    return ""


def _write_rate(store: FeatureStore, plan: Plan, row: NDArray[np.float32]) -> float:
    """Return rows/s that the disk of the cache takes; behind a URL, this machine's."""
    n_rows = max(1, (8 << 20) // row.nbytes)
    X = np.repeat(row, n_rows, axis=0).astype(plan.spec.storage)
    digests = np.random.default_rng(0).integers(0, 256, (n_rows, DIGEST_BYTES), np.uint8)
    nearest = None if isinstance(store.root, RemotePath) else _existing(store.root)
    with tempfile.TemporaryDirectory(dir=nearest) as folder:
        start = time.perf_counter()
        FeatureStore(folder).write_rows(plan.spec, [FeatureBatch(digests, X)])
        return n_rows / (time.perf_counter() - start)


def _existing(folder: Path) -> Path:
    """Return ``folder``, or the nearest folder above it that is there."""
    return next((p for p in (folder, *folder.resolve().parents) if p.is_dir()), Path())
