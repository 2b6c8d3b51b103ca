"""Repair: set what is damaged aside, keep every row that is not. Nothing is deleted."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import CacheFormatError
from ..format.sharing import make_folder
from ..layout import SPEC_NAME
from ..shards.shard import Shard, copy_rows
from ..store import FeatureStore
from .verify import FOREIGN, NEWER, Finding, verify


@dataclass
class RepairReport:
    """What ``repair`` did.

    Attributes
    ----------
    moved : dict of str to str
        Where each file that was set aside lies now.
    n_rows_saved, n_rows_lost : int
        Rows of damaged shards that were whole and live on in new shards; rows that were not, which
        the next extract computes again. Shards that could not be opened count in neither.
    restored : list of str
        Specs written anew from a shard's own copy.
    left : list of str
        Problems that repair cannot help: files of a newer featx.
    """

    moved: dict[str, str] = field(default_factory=dict)
    n_rows_saved: int = 0
    n_rows_lost: int = 0
    restored: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def repair(store: FeatureStore) -> RepairReport:
    """Move damaged and foreign files to ``damaged/`` and rewrite what can be saved of them.

    Raises
    ------
    CacheWriteError
        The file system refused; the file in question stays where it is.
    """
    report = RepairReport()
    for finding in verify(store).findings:
        if finding.kind == NEWER:
            report.left.append(finding.problem)
            continue
        if finding.bad_rows:
            _save_rows(store, finding, report)
        if finding.path.exists():
            report.moved[str(finding.path)] = str(_set_aside(store, finding.path))
        if finding.path.name == SPEC_NAME and finding.kind != FOREIGN:
            _restore_spec(store, finding, report)
    return report


def _save_rows(store: FeatureStore, finding: Finding, report: RepairReport) -> None:
    fingerprint = finding.path.parent.parent.name
    shard = Shard(finding.path, fingerprint)
    good = np.setdiff1d(np.arange(len(shard)), np.array(finding.bad_rows))
    report.n_rows_lost += len(finding.bad_rows)
    report.n_rows_saved += len(good)
    if len(good):
        copy_rows(shard, good)


def _set_aside(store: FeatureStore, path: Path) -> Path:
    target = store.layout.damaged / path.relative_to(store.root)
    if target.exists():
        target = target.with_name(f"{target.name}.{time.time_ns()}")
    make_folder(target.parent)
    return path.replace(target)


def _restore_spec(store: FeatureStore, finding: Finding, report: RepairReport) -> None:
    fingerprint = finding.path.parent.name
    for path in store.layout.shard_paths(fingerprint):
        try:
            spec = Shard(path, fingerprint).spec
        except CacheFormatError:
            continue
        if spec.fingerprint == fingerprint:
            store.write_spec(spec)
            report.restored.append(str(finding.path))
            return
