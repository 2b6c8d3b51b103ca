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

from ....cache.errors import CacheWriteError, ConfigError, FeatxError, ModelError
from ....cache.output_path import FindForeign, foreign_entry, output_file, output_folder
from ....extractor.engines.choose import FORMAT_NAMES
from ....extractor.engines.keras_import import import_keras, silenced
from ....extractor.feature_plans import FeaturePlans
from ....extractor.plan import Plan
from ..model import Model
from .agreement import N_IMAGES, Agreement, measure, sample_images
from .formats import FORMATS, ExportFormat, find_format
from .graph import build_graph, build_head


@dataclass(frozen=True)
class GraphReport:
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


def export(
    model: Model, to: str, out: Path | None, weights: str, *, overwrite: bool = False
) -> GraphReport:
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
    overwrite : bool
        Replace any file at ``out``; otherwise only an export of featx.

    Raises
    ------
    ConfigError
        The format is unknown, its libraries are not installed, or ``out`` must not be replaced.
    FeatureMismatchError
        This machine's backbone is not the model's.
    ModelError
        What was written does not agree with featx; it is removed.
    CacheWriteError
        The file system refused.
    """
    start = time.perf_counter()
    form = find_format(to)
    path = _target(form, out, overwrite)
    _check_installed(form)
    plans = model.plans(weights)
    _check_backbones(form, plans)
    with _arriving(path) as partial:
        agreement = _write_and_run(form, model, plans, partial)
        _target(form, path, overwrite)
    return GraphReport(
        out=path,
        format=form.name,
        n_bytes=_n_bytes(form, path),
        n_checked=N_IMAGES,
        difference=agreement.difference,
        precision=plans.spec.precision,
        drift=agreement.drift,
        seconds=time.perf_counter() - start,
    )


def _write_and_run(form: ExportFormat, model: Model, plans: FeaturePlans, path: Path) -> Agreement:
    """Write the graph, run the file, and compare it with featx."""
    import_keras()
    images = sample_images(plans)
    try:
        with _quiet():
            _write(form, model, plans, path)
            return measure(form.run(path, images), model, plans, images)
    except (FeatxError, OSError):
        raise
    # Five converters, each with exceptions of its own; all mean: there is no file.
    except Exception as error:
        raise ModelError(
            f"the export to {form.name} failed in its converter ({type(error).__name__}: "
            f"{str(error).strip().splitlines()[0] if str(error).strip() else 'no message'})"
        ) from error


def _write(form: ExportFormat, model: Model, plans: FeaturePlans, path: Path) -> None:
    metadata, plan = _metadata(model, plans), plans.plans[0]
    if plan.record.graph is None:
        form.write(build_graph(model, plans), path, metadata)
    else:
        form.join[plan.record.format](plan.network, build_head(model), path, metadata)


def _check_backbones(form: ExportFormat, plans: FeaturePlans) -> None:
    """Refuse backbones that cannot stand in one graph, and formats that they cannot become."""
    if len(set(plans.geometries)) > 1:
        raise ConfigError(
            f"the model joins features that see images in other sizes ({plans.spec.describe()}), "
            "and one graph takes images of one size. Extract them with one --size, or use the "
            "model file with featx score"
        )
    if len(plans.specs) > 1 and any(plan.record.graph for plan in plans.plans):
        raise ConfigError(
            "the model joins features of a backbone that is a graph in a file, which cannot be "
            "exported yet: use the model file with featx score"
        )
    for plan in plans.plans:
        _check_backbone(form, plan)


def _check_backbone(form: ExportFormat, plan: Plan) -> None:
    """Refuse a format that the graph of a backbone cannot be turned into."""
    if form.takes(plan.record.format):
        return
    kind = FORMAT_NAMES[plan.record.format]
    able = " or ".join(f"--to {f.name}" for f in FORMATS.values() if f.takes(plan.record.format))
    raise ConfigError(
        f"the model's backbone {plan.record.name} is an {kind} file, which cannot become a "
        f"{form.name} model. Use {able}"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the converters' own remarks from the user: the check below is what counts."""
    with warnings.catch_warnings(), silenced(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _target(form: ExportFormat, out: Path | None, overwrite: bool) -> Path:
    """Check that the export may be written, and return its path with links followed."""
    path = out or Path(f"model{form.ending or '-savedmodel'}")
    if path.suffix != form.ending and form.ending:
        raise ConfigError(f"--out {path}: a {form.name} model's name ends in {form.ending}")
    if not form.ending:
        return output_folder(path, "an exported model", _find_foreign(form))
    for ending in form.beside:
        if not path.exists():
            output_file(path.with_suffix(ending), "weights", lambda _: False, overwrite=overwrite)
    return output_file(path, "an exported model", form.is_own, overwrite=overwrite)


def _find_foreign(form: ExportFormat) -> FindForeign:
    def find(folder: Path) -> Path | None:
        return None if form.is_own(folder) else foreign_entry(folder, lambda _: False)

    return find


def _check_installed(form: ExportFormat) -> None:
    missing = [name for name in form.modules if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"export to {form.name} needs {', '.join(missing)}: pip install 'featx[export]'"
        )


def _metadata(model: Model, plans: FeaturePlans) -> str:
    spec = plans.specs[0]
    entries = {
        "labels": list(model.class_names),
        "input": "image: uint8 RGB (n, height, width, 3)",
        "output": "probabilities: float32 (n, n_classes), in the order of the labels",
        "image_size": list(spec.image_size),
        "resize": f"{spec.resize}, {spec.interpolation} with antialiasing",
        "background": spec.background,
        "backbone": plans.spec.backbone,
        "head": model.head_name,
        "fingerprint": plans.spec.fingerprint,
        "featx": version("featx"),
    }
    return json.dumps(entries, ensure_ascii=False)


@contextmanager
def _arriving(path: Path) -> Iterator[Path]:
    """Yield a name in a new folder beside ``path``; what is written there moves to ``path``.

    A folder that is replaced is moved into the new folder first, and removed with it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
        try:
            yield folder / path.name
            for arrived in sorted(folder.iterdir(), reverse=True):
                target = path.with_name(arrived.name)
                if target.is_dir():
                    target.replace(folder / "replaced")
                arrived.replace(target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise CacheWriteError(f"cannot write {path}: {error.strerror or error}") from error


def _n_bytes(form: ExportFormat, path: Path) -> int:
    files = [path, *(path.with_suffix(ending) for ending in form.beside)]
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)
