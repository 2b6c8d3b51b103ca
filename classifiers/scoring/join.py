"""The end of a scoring by a job array: the parts become one output, in the source's order."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...cache import DEFAULT_ROOT, FeatureSet, FeatureStore, Listing
from ...cache.errors import ConfigError, IncompleteError, ModelError
from ...extractor.parts import Part, incomplete
from ..models.model import Model
from ..models.model_file import load_model
from .api import Scored, ScoreOptions, open_scored
from .outputs.formats import FORMATS
from .outputs.provenance import MODEL, VIEWS, Provenance, printable
from .outputs.target import DEFAULT, Target
from .outputs.work_folder import WorkFolder
from .outputs.write import write_tables
from .score import ScoreReport, report_of
from .summary import Summary

BLOCK_ROWS = 1 << 17


def join_predictions(
    model: str | Path | Model,
    source: Scored,
    out: str | Path,
    options: ScoreOptions | None = None,
    *,
    cache: str | Path = DEFAULT_ROOT,
    parts: Path | None = None,
) -> ScoreReport:
    """Make one output of the files that the parts of a job array wrote into the folder ``out``.

    Nothing is predicted. The rows come into the order of the source; those of images that the
    source has no more are left out. The predictions are held in memory.

    Parameters
    ----------
    model, source, out, options, cache
        As those of the parts; see ``score_images``. Of the options, ``format`` counts.
    parts : path, optional
        The folder of the parts' files; by default ``out``.

    Raises
    ------
    IncompleteError
        Images have no row; ``report`` is a ``Missing``. The parts stay as they are.
    ModelError
        A part was predicted by another model.
    ConfigError
        ``out`` is no folder, or a part was predicted over other views.
    """
    started = time.perf_counter()
    options = options or ScoreOptions()
    loaded = model if isinstance(model, Model) else load_model(model)
    provenance = options.provenance(loaded)
    target = Target.parse(out, options.format, options.overwrite, model=provenance.model)
    if parts is None and not target.is_folder:
        raise ConfigError(f"--out {out} is one file, and the parts lie in a folder: name that one")
    opened = open_scored(source, FeatureStore(cache), options.allow_empty)
    listing = opened.manifest.listing if isinstance(opened, FeatureSet) else opened.listing()
    folder = target if parts is None else replace(target, path=parts)
    table = _in_order(_read_parts(folder, provenance), listing, folder)
    summary, work = Summary(listing, loaded.class_names), WorkFolder(target.path)
    with work.hold():
        starts = range(0, max(1, len(table)), BLOCK_ROWS)
        blocks = summary.count(table.slice(start, BLOCK_ROWS) for start in starts)
        write_tables(target, work, blocks, provenance.to_metadata())
    report = report_of(summary, target, time.perf_counter() - started)
    return replace(report, n_views=options.views.n)


def _read_parts(target: Target, provenance: Provenance) -> Any:
    """Return the rows of all parts, one after the other."""
    import pyarrow as pa

    form, tables = FORMATS[DEFAULT], []
    for path in target.shard_files:
        metadata = form.read_metadata(path)
        if metadata.get(MODEL) != provenance.model:
            raise ModelError(
                f"{path} was predicted by another model: run that part again with --overwrite, "
                "or name the model of the parts"
            )
        if metadata.get(VIEWS, "") != provenance.views:
            raise ConfigError(
                f"{path} was predicted over {metadata.get(VIEWS) or 'the images themselves'}, and "
                f"this asks for {provenance.views or 'the images themselves'}: give --join the "
                "--tta of the parts, or run that part again"
            )
        tables.append(form.read(path, form.column_names(path)))
    if not tables:
        raise IncompleteError(
            f"{target.path} holds no parts to join: run each with --shard 1/N to N/N and this --out"
        )
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def _in_order(table: Any, listing: Listing, target: Target) -> Any:
    """Return one row for each sample of the source, in its order."""
    rows = {name: row for row, name in enumerate(table.column("id").to_pylist())}
    wanted = [rows.get(printable(name), -1) for name in listing.sample_ids]
    missing = [listing.sample_ids[i] for i, row in enumerate(wanted) if row < 0]
    if missing:
        finished = map(_part_of, target.shard_files)
        lack = f"have no prediction in {target.path}"
        raise incomplete(lack, list(map(printable, missing)), len(wanted), finished)
    return table.take(np.array(wanted, np.int64))


def _part_of(path: Path) -> Part:
    _, number, _, count = path.name.split(".")[0].split("-")
    return Part(int(number), int(count))
