"""Verify: read every byte of a cache and name what is not as it was written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import CacheFormatError, NewerFormatError
from ..format.atomic import PARTIAL
from ..layout import (
    INDEX_FOLDER,
    JOURNAL_SUFFIX,
    LAYERS_SUFFIX,
    MANIFEST_SUFFIX,
    PREDICTIONS_SUFFIX,
    PROGRESS_SUFFIX,
    QUARANTINE_SUFFIX,
    RESULT_SUFFIX,
    RUN_SUFFIX,
    SHARD_SUFFIX,
    SPEC_NAME,
    size_of,
)
from ..places.remote_path import RemotePath
from ..records.journal import read_journal
from ..records.layers import check_layers
from ..records.manifest_file import read_manifest
from ..records.quarantine import read_quarantine
from ..records.run_record import read_run
from ..records.split_table import read_assignments
from ..results.judged_rows import check_predictions
from ..results.result import read_result
from ..shards.set_index import read_index
from ..shards.shard import Shard
from ..store import FeatureStore

DAMAGED, NEWER, FOREIGN = "damaged", "newer", "foreign"


@dataclass(frozen=True)
class Finding:
    """One file that is not what the cache expects there.

    Attributes
    ----------
    path : Path
    kind : str
        ``damaged``, ``newer`` (a later featx reads it) or ``foreign`` (not of the cache).
    problem : str
        One line for people.
    bad_rows : tuple of int
        The damaged rows of a shard that is otherwise whole.
    """

    path: Path
    kind: str
    problem: str
    bad_rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class VerifyReport:
    """What ``verify`` saw.

    Attributes
    ----------
    n_files, n_bytes : int
        Files of the cache that were read in full.
    findings : list of Finding
    partials : list of Path
        Files that a run was writing when it died, or is writing now; they harm nothing.
    """

    n_files: int
    n_bytes: int
    findings: list[Finding] = field(default_factory=list)
    partials: list[Path] = field(default_factory=list)


def verify(store: FeatureStore) -> VerifyReport:
    """Recompute every checksum of a cache; changes nothing."""
    findings, partials = _missing_specs(store), []
    n_files = n_bytes = 0
    for path in store.layout.files():
        if path.name.endswith(PARTIAL):
            partials.append(path)
            continue
        n_files += 1
        n_bytes += size_of(path)
        if isinstance(path, RemotePath):
            path.drop_copy()  # what lies there is asked for, not what came from there once
        try:
            finding = _check(store, path)
        except FileNotFoundError:
            continue  # replaced by `compact` or `gc` since it was listed
        if finding is not None:
            findings.append(finding)
    return VerifyReport(n_files, n_bytes, findings, partials)


def _check(store: FeatureStore, path: Path) -> Finding | None:
    check = _check_of(store, path)
    if check is None:
        return Finding(path, FOREIGN, f"{path}: no file of the cache")
    try:
        bad_rows = check(path)
    except NewerFormatError as error:
        return Finding(path, NEWER, str(error))
    except CacheFormatError as error:
        return Finding(path, DAMAGED, str(error).split(". Run `featx", 1)[0])
    if not bad_rows:
        return None
    shown = ", ".join(map(str, bad_rows[:5])) + (", …" if len(bad_rows) > 5 else "")
    problem = f"{path}: {len(bad_rows)} damaged rows: {shown}"
    return Finding(path, DAMAGED, problem, bad_rows)


def _check_of(store: FeatureStore, path: Path) -> Callable[[Path], tuple[int, ...]] | None:
    """Return the check for a file of this path, or None where no such file belongs."""
    parts = path.relative_to(store.root).parts
    suffix, folder = path.suffix, parts[0]
    checks = {
        ("manifests", 2, MANIFEST_SUFFIX): _whole(read_manifest),
        ("manifests", 2, PROGRESS_SUFFIX): _whole(read_manifest),
        ("runs", 2, JOURNAL_SUFFIX): _whole(read_journal),
        ("quarantine", 2, QUARANTINE_SUFFIX): _whole(read_quarantine),
        ("sweeps", 3, RESULT_SUFFIX): _whole(_read_json),
        ("results", 3, RESULT_SUFFIX): _whole(read_result),
        ("results", 3, PREDICTIONS_SUFFIX): _whole(check_predictions),
        ("splits", 2, MANIFEST_SUFFIX): _whole(read_assignments),
        ("labels", 3, MANIFEST_SUFFIX): _whole(read_manifest),
        ("tuned", 2, LAYERS_SUFFIX): _whole(check_layers),
    }
    if folder != "sets":
        return checks.get((folder, len(parts), suffix))
    if len(parts) == 3 and parts[2] == SPEC_NAME:
        return _whole(lambda _: store.read_spec(parts[1]))
    if len(parts) == 4 and parts[2] == "shards" and suffix == SHARD_SUFFIX:
        return lambda shard: tuple(Shard(shard, parts[1]).bad_rows().tolist())
    if len(parts) == 4 and parts[2] == INDEX_FOLDER and suffix == SHARD_SUFFIX:
        return _whole(lambda index: read_index(index, parts[1]))
    if len(parts) == 4 and parts[2] == "runs" and suffix == RUN_SUFFIX:
        return _whole(read_run)
    return None


def _whole(read: Callable[[Path], object]) -> Callable[[Path], tuple[int, ...]]:
    def check(path: Path) -> tuple[int, ...]:
        read(path)
        return ()

    return check


def _read_json(path: Path) -> None:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CacheFormatError(f"{path}: not JSON ({error})") from error


def _missing_specs(store: FeatureStore) -> list[Finding]:
    paths = [store.layout.spec(f) for f in store.layout.fingerprints()]
    return [
        Finding(path, DAMAGED, f"{path}: missing, though its set has shards")
        for path in paths
        if not path.exists() and any((path.parent / "shards").glob(f"*{SHARD_SUFFIX}"))
    ]
