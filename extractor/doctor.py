"""The doctor: what an extraction would run on here, and how fast each of its stages is."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..cache import FeatureBatch, FeatureStore
from ..cache.errors import ImageError, SourceFormatError
from ..cache.manifest import DIGEST_BYTES
from .engines import choose_engine
from .engines.batch_size import choose_batch_size, images_per_second
from .engines.choose import idle_gpu
from .engines.model_folder import model_folder
from .engines.precision import Settled, settle
from .hardware import Hardware, this_machine
from .images.decode import decode, strict_images
from .pipeline.groups import Group, group_plans
from .pipeline.rates import StageRates
from .plan import Plan
from .run_options import RunOptions, Silence
from .sources import Source, digest_of

N_IMAGES = 128
INFER_SECONDS = 2.0
T = TypeVar("T")
S = TypeVar("S")


@dataclass(frozen=True)
class Diagnosis:
    """What an extraction would run on, and how fast it would be.

    Attributes
    ----------
    hardware : Hardware
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
    choice = choose_engine(options.engine, machine)
    with strict_images():
        (settled,) = settle([plan], source, store, options, Silence().say)
        (group,) = group_plans([settled.plan])
        read, decoded, images = _sources(source, group, options.n_workers)
    batch_size = options.batch_size or choose_batch_size(
        group, options.engine, len(source.listing())
    )
    engine = group.build_engine(options.engine, batch_size)
    size = group.network.image_size
    inference = images_per_second(engine, size, INFER_SECONDS)
    rows = engine.run(np.resize(images[0], (batch_size, *size, 3)))[0]
    written = _write_rate(store, settled.plan, rows[:1])
    rates = StageRates(read, decoded, inference, written, options.n_workers, machine.n_cores)
    warning = idle_gpu(engine.name, machine)
    is_converted = engine.name.startswith("openvino")
    return Diagnosis(
        hardware=machine,
        engine=engine.name,
        engine_why=choice.why,
        precision=engine.precision,
        precision_why=_why(settled),
        batch_size=batch_size,
        model_folder=str(model_folder(group.network).path) if is_converted else "",
        n_images=len(images),
        rates=rates,
        bottleneck=rates.sentence(_advice(engine.name, engine.precision)),
        warnings=(warning,) if warning else (),
    )


def _why(settled: Settled) -> str:
    return settled.why.partition(": ")[2] or "asked for"


def _advice(engine_name: str, precision: str) -> str:
    if engine_name.startswith("keras") and " on " not in engine_name and find_spec("openvino"):
        return "--engine openvino would help"
    if precision == "float32":
        return "a smaller --size, a lighter --backbone or a GPU would help"
    return ""


def _sources(
    source: Source, group: Group, n_workers: int
) -> tuple[float, float, list[NDArray[np.uint8]]]:
    """Return images/s of reading and of decoding, and the images."""
    n = len(source.listing())
    places = np.unique(np.linspace(0, n - 1, min(n, N_IMAGES)).astype(int)).tolist()

    def read(index: int) -> object:
        try:
            raw = source.read(index)
            digest_of(raw)
        except OSError:
            return None
        return raw

    def pixels(raw: object) -> NDArray[np.uint8] | None:
        try:
            return decode(raw, [group.geometry])[0]  # type: ignore[arg-type]
        except ImageError:
            return None

    read_rate, raws = _timed(read, places, n_workers)
    readable = [raw for raw in raws if raw is not None]
    decode_rate, decoded = _timed(pixels, readable, n_workers)
    images = [image for image in decoded if image is not None]
    if not images:
        raise SourceFormatError(
            f"none of the {len(places)} images tried in {source.location} can be read"
        )
    return read_rate, decode_rate, images


def _timed(work: Callable[[S], T], tasks: Sequence[S], n_workers: int) -> tuple[float, list[T]]:
    with ThreadPoolExecutor(n_workers) as executor:
        start = time.perf_counter()
        results = list(executor.map(work, tasks))
        return len(tasks) / (time.perf_counter() - start), results


def _write_rate(store: FeatureStore, plan: Plan, row: NDArray[np.float32]) -> float:
    """Return rows/s that the disk of the cache takes."""
    n_rows = max(1, (8 << 20) // row.nbytes)
    X = np.repeat(row, n_rows, axis=0).astype(plan.spec.storage)
    digests = np.random.default_rng(0).integers(0, 256, (n_rows, DIGEST_BYTES), np.uint8)
    with tempfile.TemporaryDirectory(dir=_existing(store.root)) as folder:
        start = time.perf_counter()
        FeatureStore(folder).write_rows(plan.spec, [FeatureBatch(digests, X)])
        return n_rows / (time.perf_counter() - start)


def _existing(place: Path) -> Path:
    """Return ``place``, or the nearest folder above it that is there."""
    return next((p for p in (place, *place.resolve().parents) if p.is_dir()), Path())
