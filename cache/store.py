"""FeatureStore: the folder that holds it all. FORMAT.md describes it for other readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .atomic import write_text
from .batch import FeatureBatch
from .errors import CacheFormatError, FeaturesNotFoundError
from .features import FeatureSet
from .manifest import Manifest
from .manifest_io import read_manifest, write_manifest
from .quarantine import BadImage, read_quarantine, write_quarantine
from .runs import RunRecord, read_run, write_run
from .shard import write_shard
from .shardset import ShardSet
from .spec import FeatureSpec

DEFAULT_ROOT = Path("featx-cache")


@dataclass(frozen=True)
class StoredFeatures:
    """One line of ``featx cache ls``: a source under a spec."""

    record: RunRecord
    spec: FeatureSpec
    n_bytes: int
    location: str

    @property
    def name(self) -> str:
        """``manifest@fingerprint``, which names the features on the command line."""
        return f"{self.record.manifest}@{self.record.fingerprint[:12]}"


class FeatureStore:
    """A cache of features below one folder; nothing is made before the first write.

    Parameters
    ----------
    root : path
        The cache's folder; it may be read-only as long as nothing is written.
    """

    def __init__(self, root: Path | str = DEFAULT_ROOT) -> None:
        self.root = Path(root)

    def write_rows(self, spec: FeatureSpec, batches: Sequence[FeatureBatch]) -> Path:
        """Write ``batches`` as one immutable shard and return its path.

        Raises
        ------
        CacheWriteError
            The file system refused; the cache is as it was before.
        """
        folder = self._set_folder(spec.fingerprint)
        if not (folder / "spec.json").exists():
            write_text(folder / "spec.json", spec.to_json() + "\n")
        return write_shard(folder / "shards", spec, batches)

    def open_set(self, spec: FeatureSpec) -> ShardSet:
        """Open all shards of ``spec``; a set that does not exist yet has no rows."""
        return ShardSet(self._set_folder(spec.fingerprint) / "shards", spec)

    def read_spec(self, fingerprint: str) -> FeatureSpec:
        """Read the spec of a set; raises CacheFormatError where it is absent or damaged."""
        path = self._set_folder(fingerprint) / "spec.json"
        try:
            spec = FeatureSpec.from_json(path.read_text(encoding="ascii"))
        except (OSError, UnicodeDecodeError) as error:
            raise CacheFormatError(f"{path}: not readable ({error})") from error
        if spec.fingerprint != fingerprint:
            raise CacheFormatError(f"{path}: the spec does not hash to its folder's name")
        return spec

    def write_manifest(self, manifest: Manifest) -> None:
        """Replace the snapshot of a source."""
        write_manifest(self._manifest_path(manifest.name), manifest)

    def read_manifest(self, name: str) -> Manifest | None:
        """Read the snapshot of a source, or None where there is none."""
        path = self._manifest_path(name)
        return read_manifest(path) if path.exists() else None

    def write_progress(self, manifest: Manifest) -> None:
        """Save the digests taken so far, so that a run that is cut short hashes nothing twice."""
        write_manifest(self._progress_path(manifest.name), manifest)

    def read_progress(self, name: str) -> Manifest | None:
        """Read what an interrupted run had hashed, or None."""
        path = self._progress_path(name)
        return read_manifest(path) if path.exists() else None

    def drop_progress(self, name: str) -> None:
        """Forget the progress of a run that is complete."""
        self._progress_path(name).unlink(missing_ok=True)

    def write_quarantine(self, name: str, bad: Sequence[BadImage]) -> None:
        """Replace the list of a source's unreadable images."""
        write_quarantine(self._quarantine_path(name), bad)

    def read_quarantine(self, name: str) -> list[BadImage]:
        """Read the list of a source's unreadable images."""
        return read_quarantine(self._quarantine_path(name))

    def write_run(self, record: RunRecord) -> None:
        """Replace the record of a source's last extraction under one spec."""
        folder = self._set_folder(record.fingerprint) / "runs"
        write_run(folder / f"{record.manifest}.json", record)

    def list_features(self) -> list[StoredFeatures]:
        """List every source under every spec, newest first."""
        found: list[StoredFeatures] = []
        for path in self.root.glob("sets/*/runs/*.json"):
            record = read_run(path)
            spec = self.read_spec(record.fingerprint)
            manifest = self.read_manifest(record.manifest)
            shards = path.parent.parent.glob("shards/*.h5")
            n_bytes = sum(shard.stat().st_size for shard in shards)
            location = manifest.location if manifest else "(snapshot missing)"
            found.append(StoredFeatures(record, spec, n_bytes, location))
        return sorted(found, key=lambda stored: stored.record.finished_ns, reverse=True)

    def find(self, name: str | None = None) -> StoredFeatures:
        """Return the features that ``name`` names, by default the newest.

        Parameters
        ----------
        name : str, optional
            The start of ``manifest@fingerprint`` or of a fingerprint, or a backbone's name; of
            several matches the newest is meant.

        Raises
        ------
        FeaturesNotFoundError
            The cache is empty, or nothing in it answers to ``name``.
        """
        stored = self.list_features()
        if not stored:
            raise FeaturesNotFoundError(
                f"the cache {self.root} holds no features: run `featx extract` first, or name "
                "another cache with --cache"
            )
        matches = [s for s in stored if name is None or _answers(s, name)]
        if not matches:
            known = ", ".join(s.name for s in stored)
            raise FeaturesNotFoundError(
                f"no cached features answer to {name!r}. The cache {self.root} holds: {known}"
            )
        return matches[0]

    def open_features(self, name: str | None = None) -> FeatureSet:
        """Open the features that ``name`` names (see ``find``), lazily.

        Raises
        ------
        FeaturesNotFoundError, CacheFormatError
            Nothing answers to the name, or the snapshot of its source is damaged.
        """
        stored = self.find(name)
        manifest = self.read_manifest(stored.record.manifest)
        if manifest is None:
            raise FeaturesNotFoundError(
                f"the snapshot of the source {stored.record.manifest!r} is gone: extract it again"
            )
        return FeatureSet(manifest, self.open_set(stored.spec))

    def _set_folder(self, fingerprint: str) -> Path:
        return self.root / "sets" / fingerprint

    def _manifest_path(self, name: str) -> Path:
        return self.root / "manifests" / f"{name}.h5"

    def _progress_path(self, name: str) -> Path:
        return self.root / "manifests" / f"{name}.progress"

    def _quarantine_path(self, name: str) -> Path:
        return self.root / "quarantine" / f"{name}.jsonl"


def _answers(stored: StoredFeatures, name: str) -> bool:
    record = stored.record
    prefixes = (stored.name, record.fingerprint, f"{record.manifest}@{record.fingerprint}")
    return stored.spec.backbone == name or any(p.startswith(name) for p in prefixes)
