"""Features whose source is no longer where it was, as far as this machine can tell."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..layout import size_of
from ..records.run_record import TRANSFORM
from ..records.stored import StoredFeatures
from ..store import FeatureStore
from .rm import records_of

IMPORTED = "imported"
FSTAB = Path("/etc/fstab")
# Disks and shares are mounted below these; a folder that is missing there may come back.
MOUNT_PARENTS = ("/", "/mnt", "/media", "/run/media", "/Volumes", "/net", "/misc")
SEVERAL = re.compile(r"\d+-sources-|\d+ files, the first ")


@dataclass(frozen=True)
class GoneSources:
    """What became of the sources of all features.

    Attributes
    ----------
    features : list of StoredFeatures
        Whose source was deleted or moved.
    unsure : dict of str to str
        Features whose source is not there or cannot be looked at, but may come back; and why.
    n_bytes : int
        Of the records of the features whose source is gone; their rows may be used by others.
    """

    features: list[StoredFeatures] = field(default_factory=list)
    unsure: dict[str, str] = field(default_factory=dict)
    n_bytes: int = 0

    @property
    def manifests(self) -> frozenset[str]:
        """Names of the snapshots of the sources that are gone."""
        return frozenset(features.record.manifest for features in self.features)


def find_gone(store: FeatureStore) -> GoneSources:
    """Look for the source of each extraction and scoring; changes nothing."""
    gone: list[StoredFeatures] = []
    unsure: dict[str, str] = {}
    for features in store.list_features():
        if features.record.kind == TRANSFORM or not features.record.finished_ns:
            continue
        reason = _reason_to_keep(features)
        if reason is None:
            gone.append(features)
        elif reason:
            unsure[features.name] = f"{features.location}: {reason}"
    records = [path for features in gone for path in records_of(store, features)]
    return GoneSources(gone, unsure, sum(map(size_of, records)))


def forget(store: FeatureStore, features: Sequence[StoredFeatures]) -> None:
    """Delete the records of features; ``collect_garbage`` deletes the rows that nobody uses then.

    Quarantine, journals of dead runs and results of sweeps go with them.
    """
    for one in features:
        for path in records_of(store, one):
            path.unlink(missing_ok=True)


def _reason_to_keep(features: StoredFeatures) -> str | None:
    """Return why the source is not taken for gone: empty where it is there, None where it is."""
    location = features.location
    if features.record.engine == IMPORTED:
        return ""  # the file of an import is not needed any more
    if location.startswith("file://"):
        location = unquote(urlsplit(location).path)
    if "://" in location:
        return "a URL, which is not looked for"
    if SEVERAL.match(features.record.manifest) or SEVERAL.match(location):
        return "several places, which are not looked for"
    return _absence(Path(location)) if location.startswith("/") else ""


def _absence(path: Path) -> str | None:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return next(_reasons_to_come_back(path), None)
    except OSError as error:
        return f"cannot be looked at ({error.strerror or errno.errorcode.get(error.errno or 0)})"
    return ""


def _reasons_to_come_back(path: Path) -> Iterator[str]:
    """Yield why a path that is not there may be on a disk that is not mounted now."""
    for mount in _declared_mounts():
        if path.is_relative_to(mount) and not mount.is_mount():
            yield f"{mount} is not mounted"
    nearest = next(parent for parent in path.parents if parent.is_dir())
    missing = nearest / path.relative_to(nearest).parts[0]
    above = (str(nearest), str(nearest.parent))
    if above[0] in MOUNT_PARENTS and missing != path:
        yield f"{missing} is not there, perhaps because it is not mounted"
    if above[1] in MOUNT_PARENTS and above[0] not in MOUNT_PARENTS and _is_empty(nearest):
        yield f"{nearest} is empty, perhaps because it is not mounted"


def _is_empty(folder: Path) -> bool:
    try:
        return not any(folder.iterdir())
    except OSError:
        return False


def _declared_mounts() -> list[Path]:
    """Return where the machine's table of file systems says that something is mounted."""
    try:
        lines = FSTAB.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    columns = [line.split() for line in lines if not line.lstrip().startswith("#")]
    places = [os.fsdecode(c[1].encode().decode("unicode_escape")) for c in columns if len(c) > 1]
    return [Path(place) for place in places if place.startswith("/") and place != "/"]
