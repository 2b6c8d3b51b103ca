"""Where things lie below the cache's folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .errors import CacheError
from .format.atomic import PARTIAL
from .places.copies import refused
from .places.remote_path import RemotePath

SHARD_SUFFIX = ".h5"
MANIFEST_SUFFIX = ".h5"
PROGRESS_SUFFIX = ".progress"  # of runs before there were journals
JOURNAL_SUFFIX = ".journal"
QUARANTINE_SUFFIX = ".jsonl"
REMARKS = ".remarks"
"""Ends the name of a source's list of images that were read with a remark."""
RUN_SUFFIX = ".json"
RESULT_SUFFIX = ".json"
PREDICTIONS_SUFFIX = ".h5"
LAYERS_SUFFIX = ".npz"
"""Ends the name of a file of fine-tuned layers, after the digest of the weights with them."""
SPEC_NAME = "spec.json"
INDEX_FOLDER = "index"


@dataclass(frozen=True)
class Layout:
    """The paths of one cache.

    Attributes
    ----------
    root : Path
    """

    root: Path

    def set_folder(self, fingerprint: str) -> Path:
        """Return the folder of one set."""
        return self.root / "sets" / fingerprint

    def spec(self, fingerprint: str) -> Path:
        """Return the file of a set's spec."""
        return self.set_folder(fingerprint) / SPEC_NAME

    def shards(self, fingerprint: str) -> Path:
        """Return the folder of a set's shards."""
        return self.set_folder(fingerprint) / "shards"

    def indexes(self, fingerprint: str) -> Path:
        """Return the folder in which a set behind a URL says which rows are in which shard."""
        return self.set_folder(fingerprint) / INDEX_FOLDER

    def run(self, fingerprint: str, manifest: str) -> Path:
        """Return the file of a run record."""
        return self.set_folder(fingerprint) / "runs" / f"{manifest}{RUN_SUFFIX}"

    def manifest(self, name: str) -> Path:
        """Return the file of a snapshot."""
        return self.root / "manifests" / f"{name}{MANIFEST_SUFFIX}"

    def journal(self, run: str) -> Path:
        """Return the file in which a run names its rows."""
        return self.journals / f"{run}{JOURNAL_SUFFIX}"

    @property
    def journals(self) -> Path:
        """The folder of the journals."""
        return self.root / "runs"

    def sweeps(self, features: str) -> Path:
        """Return the folder of what sweeps of earlier versions have measured on some features."""
        return self.root / "sweeps" / features

    def results(self, features: str) -> Path:
        """Return the folder of the results on some features."""
        return self.root / "results" / features

    @property
    def splits(self) -> Path:
        """The folder of the split tables."""
        return self.root / "splits"

    def split_paths(self) -> list[Path]:
        """Return the files of the split tables, oldest first."""
        return self._in("splits", MANIFEST_SUFFIX)

    def labels(self, manifest: str) -> Path:
        """Return the folder of the label snapshots that models of a source were made with."""
        return self.root / "labels" / manifest

    def label_paths(self) -> list[Path]:
        """Return all label snapshots."""
        folders = [path for path in self._in("labels") if path.is_dir()]
        return [p for f in folders for p in self._in(f"labels/{f.name}", MANIFEST_SUFFIX)]

    def quarantine(self, name: str) -> Path:
        """Return the file of a source's unreadable images."""
        return self.root / "quarantine" / f"{name}{QUARANTINE_SUFFIX}"

    @property
    def tuned(self) -> Path:
        """The folder of the fine-tuned layers that features were made with."""
        return self.root / "tuned"

    def layer_paths(self) -> list[Path]:
        """Return the files of fine-tuned layers."""
        return self._in("tuned", LAYERS_SUFFIX)

    @property
    def gitignore(self) -> Path:
        """The file that keeps the cache out of git."""
        return self.root / ".gitignore"

    @property
    def damaged(self) -> Path:
        """The folder that ``repair`` moves files to."""
        return self.root / "damaged"

    def _in(self, folder: str, suffix: str = "") -> list[Path]:
        return list_folder(self.root / folder, suffix)

    def set_folders(self) -> list[Path]:
        """Return the folders of all sets, in order, also those that a killed run left empty."""
        return [path for path in self._in("sets") if path.is_dir()]

    def fingerprints(self) -> list[str]:
        """Return the fingerprints of all sets that hold something, in order."""
        names = [folder.name for folder in self.set_folders()]
        return [name for name in names if self.spec(name).exists() or self.shard_paths(name)]

    def shard_paths(self, fingerprint: str) -> list[Path]:
        """Return the shards of a set, in order."""
        return self._in(f"sets/{fingerprint}/shards", SHARD_SUFFIX)

    def run_paths(self, fingerprint: str | None = None) -> list[Path]:
        """Return the run records of one set, or of all."""
        fingerprints = [fingerprint] if fingerprint else [f.name for f in self.set_folders()]
        return [p for f in fingerprints for p in self._in(f"sets/{f}/runs", RUN_SUFFIX)]

    def manifest_paths(self) -> list[Path]:
        """Return all snapshots of sources."""
        return self._in("manifests", MANIFEST_SUFFIX)

    def progress_paths(self) -> list[Path]:
        """Return the snapshots of unfinished runs of earlier versions."""
        return self._in("manifests", PROGRESS_SUFFIX)

    def journal_paths(self) -> list[Path]:
        """Return the journals of unfinished runs."""
        return self._in("runs", JOURNAL_SUFFIX)

    def sweep_folders(self) -> list[Path]:
        """Return the folders of the results of earlier versions' sweeps."""
        return [path for path in self._in("sweeps") if path.is_dir()]

    def result_folders(self) -> list[Path]:
        """Return the folders of all results, one for each set of features."""
        return [path for path in self._in("results") if path.is_dir()]

    def files(self) -> list[Path]:
        """Return every file in the folders that belong to the cache, leftovers included."""
        folders = (
            "sets",
            "manifests",
            "runs",
            "quarantine",
            "sweeps",
            "results",
            "splits",
            "labels",
            "tuned",
        )
        return [p for f in folders for p in sorted((self.root / f).rglob("*")) if p.is_file()]

    def partials(self) -> list[Path]:
        """Return the files that were being written, now or by a run that died."""
        return [path for path in self.files() if path.name.endswith(PARTIAL)]


def list_folder(path: Path, suffix: str = "") -> list[Path]:
    """Return what lies in a folder of a cache, in order; an absent folder is empty.

    Raises
    ------
    CacheError
        The folder is there and cannot be read.
    """
    if isinstance(path, RemotePath):
        return _list_remote(path, suffix)
    try:
        names = os.listdir(path)  # noqa: PTH208 (pathlib passes over what it may not read)
    except FileNotFoundError:
        return []
    except OSError as error:
        reason = error.strerror or error
        raise CacheError(
            f"the cache folder {path} cannot be read ({reason}). Expected a folder that featx "
            "made; name another with --cache, or ask its owner for the permission to read"
        ) from error
    return sorted(path / name for name in names if name.endswith(suffix))


def _list_remote(path: RemotePath, suffix: str) -> list[Path]:
    try:
        return sorted(child for child in path.iterdir() if child.name.endswith(suffix))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise refused(path, error) from error


def size_of(path: Path) -> int:
    """Return the bytes of a file, 0 where it is gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
