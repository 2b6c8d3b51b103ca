"""Exporting a model: build the graph, write it, run what was written, then give it its name."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....cache.errors import CacheWriteError, ConfigError, FeatxError, ModelError
from ....extractor.engines import run_rows
from ....extractor.engines.keras_import import import_keras, silenced
from ....extractor.images.decode import decode
from ....extractor.plan import Plan, plan_for
from ....extractor.sources import open_sample
from ...heads.registry import find_head
from ..model import Model
from .graph import build_graph
from .graph_formats import Format, find_format

TOLERANCE = 1e-4
N_CHECKED = 16


@dataclass(frozen=True)
class ExportReport:
    """What an export wrote.

    Attributes
    ----------
    out : Path
    format : str
    n_bytes : int
    n_checked : int
        Images of the bundled sample that the written file was run on.
    difference : float
        The largest difference of any probability from what ``featx score`` gives, computed in
        float32 as the graph does.
    precision : str
        What the model's features are computed in.
    drift : float or None
        Where that is not float32: the largest difference from ``featx score`` as it is.
    seconds : float
    """

    out: Path
    format: str
    n_bytes: int
    n_checked: int
    difference: float
    precision: str
    drift: float | None
    seconds: float


def export(model: Model, to: str, out: Path | None, weights: str) -> ExportReport:
    """Write ``model`` as one graph from uint8 pixels to class probabilities.

    Parameters
    ----------
    model : Model
    to : str
        A name of ``FORMATS``.
    out : Path or None
        None stands for ``model`` with the format's ending.
    weights : str
        Where this machine has the backbone's weights.

    Raises
    ------
    ConfigError
        The format is unknown, its libraries are not installed, or the head cannot be a graph.
    FeatureMismatchError
        This machine's backbone is not the model's.
    ModelError
        What was written does not agree with featx; it is removed.
    CacheWriteError
        The file system refused.
    """
    start = time.perf_counter()
    form = find_format(to)
    path = _place(form, out)
    _check_installed(form)
    find_head(model.head_name).load_graph()
    plan = plan_for(model.spec, weights)
    model.check_plan(plan)
    with _arriving(path) as partial:
        difference, drift = _write_and_run(form, model, plan, partial)
        if not difference <= TOLERANCE:
            raise ModelError(
                f"the {form.name} graph differs from featx score by {difference:.2g} in a "
                f"probability (allowed: {TOLERANCE:g}); nothing was written"
            )
    return ExportReport(
        out=path,
        format=form.name,
        n_bytes=_n_bytes(path),
        n_checked=N_CHECKED,
        difference=difference,
        precision=plan.spec.precision,
        drift=drift,
        seconds=time.perf_counter() - start,
    )


def _write_and_run(
    form: Format, model: Model, plan: Plan, path: Path
) -> tuple[float, float | None]:
    """Write the graph, run the file, and return its difference from featx, and its drift."""
    import_keras()
    images = _sample(plan)
    try:
        with _quiet():
            form.write(build_graph(model, plan), path, _metadata(model, plan))
            found = form.run(path, images)
            exact = _expected(model, plan.with_precision("float32"), images)
            difference = _difference(found, exact)
            if plan.spec.precision == "float32":
                return difference, None
            return difference, _difference(found, _expected(model, plan, images))
    except (FeatxError, OSError):
        raise
    # Five converters, each with exceptions of its own; all mean: there is no file.
    except Exception as error:
        raise ModelError(
            f"the export to {form.name} failed in its converter ({type(error).__name__}: "
            f"{str(error).strip().splitlines()[0] if str(error).strip() else 'no message'})"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the converters' own remarks from the user: the check below is what counts."""
    with warnings.catch_warnings(), silenced(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _place(form: Format, out: Path | None) -> Path:
    path = out or Path(f"model{form.ending or '-savedmodel'}")
    if path.suffix != form.ending and form.ending:
        raise ConfigError(f"--out {path}: a {form.name} model's name ends in {form.ending}")
    if path.is_dir() and any(path.iterdir()) and not (path / "saved_model.pb").exists():
        raise ConfigError(f"--out {path} is a folder with other files: name a new one")
    return path


def _check_installed(form: Format) -> None:
    missing = [name for name in form.modules if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"export to {form.name} needs {', '.join(missing)}: pip install 'featx[export]'"
        )


def _sample(plan: Plan) -> NDArray[np.uint8]:
    """Return images of the bundled sample as the backbone sees them, ``(n, h, w, 3)``."""
    source = open_sample()
    places = np.linspace(0, len(source.listing()) - 1, N_CHECKED).astype(int)
    return np.stack([decode(source.read(int(i)), [plan.geometry])[0] for i in places])


def _expected(model: Model, plan: Plan, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    (X,) = run_rows(plan.build_engine(len(images)), images)
    return model.predict_proba(X.astype(plan.spec.storage)).astype(np.float64)


def _difference(found: NDArray[np.float32], expected: NDArray[np.float64]) -> float:
    if found.shape != expected.shape:
        raise ModelError(f"the graph gives an array {found.shape}, expected {expected.shape}")
    return float(np.abs(found - expected).max())


def _metadata(model: Model, plan: Plan) -> str:
    spec = plan.spec
    entries = {
        "labels": list(model.class_names),
        "input": "image: uint8 RGB (n, height, width, 3)",
        "output": "probabilities: float32 (n, n_classes), in the order of the labels",
        "image_size": list(spec.image_size),
        "resize": f"{spec.resize}, {spec.interpolation} with antialiasing",
        "background": spec.background,
        "backbone": spec.backbone,
        "head": model.head_name,
        "fingerprint": spec.fingerprint,
        "featx": version("featx"),
    }
    return json.dumps(entries, ensure_ascii=False)


@contextmanager
def _arriving(path: Path) -> Iterator[Path]:
    """Yield a name in a folder beside ``path``; what is written there moves to ``path`` at last."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
        try:
            yield folder / path.name
            for found in sorted(folder.iterdir(), reverse=True):
                target = path.with_name(found.name)
                if target.is_dir():
                    shutil.rmtree(target)
                found.replace(target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise CacheWriteError(f"cannot write {path}: {error.strerror or error}") from error


def _n_bytes(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    weights = path.with_suffix(".bin")
    beside = weights.stat().st_size if path.suffix == ".xml" else 0
    return path.stat().st_size + beside
