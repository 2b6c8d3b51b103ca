"""FeatureStore: the folder that holds it all. FORMAT.md describes it for other readers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .batch import FeatureBatch
from .errors import CacheError, CacheFormatError, FeaturesNotFoundError
from .features import FeatureSet
from .format.atomic import atomic_path, write_text
from .format.compression import check_compression
from .joined.joined_shards import JoinedShards
from .joined.joined_spec import AnySpec, joined
from .joined.names import choose_parts
from .layout import Layout
from .manifest import DIGEST_BYTES, Listing, Manifest, prove_unchanged
from .places.remote_path import RemotePath, cache_path
from .records.journal import Journal, read_journal, sample_keys
from .records.manifest_file import read_manifest, write_manifest
from .records.quarantine import BadImage, read_quarantine, write_quarantine
from .records.run_record import UNFINISHED, RunRecord, read_run, write_run
from .records.stored import StoredFeatures
from .run import Run, new_header, snapshot_name
from .shards.join import join_small_shards
from .shards.set_index import index_shards, open_set
from .shards.shard import write_shard
from .shards.shardset import ShardSet
from .spec import FeatureSpec

DEFAULT_ROOT = Path("featx-cache")


class FeatureStore:
    """A cache of features below one folder; nothing is made before the first write.

    Parameters
    ----------
    root : path
        The cache's folder, or a URL such as ``s3://bucket/features``; it may be read-only as long
        as nothing is written.
    compression : str, optional
        How new shards are compressed (one of ``COMPRESSIONS``); by default not at all, so that
        they memory-map. It is no part of the fingerprint: the numbers are the same.

    Raises
    ------
    ConfigError
        No such compression.
    """

    def __init__(self, root: Path | str = DEFAULT_ROOT, compression: str | None = None) -> None:
        self.root = cache_path(root)
        self.layout = Layout(self.root)
        self.compression = check_compression(compression)

    @property
    def is_new(self) -> bool:
        """Whether there is no cache yet: no folder, or an empty one."""
        try:
            return not any(self.root.iterdir())
        except OSError as error:
            return isinstance(error, FileNotFoundError)

    def make_root(self) -> None:
        """Make the cache's folder with a ``.gitignore`` in it, where nothing is there yet.

        Raises
        ------
        CacheWriteError
            The file system refused.
        """
        if not isinstance(self.root, RemotePath) and self.is_new:
            write_text(self.layout.gitignore, "# Made by featx\n*\n")

    def write_rows(self, spec: FeatureSpec, batches: Sequence[FeatureBatch]) -> Path:
        """Write ``batches`` as one immutable shard and return its path.

        Raises
        ------
        CacheWriteError
            The file system refused; the cache is as it was before.
        """
        self.write_spec(spec)
        return write_shard(self.layout.shards(spec.fingerprint), spec, batches, self.compression)

    def write_spec(self, spec: FeatureSpec) -> None:
        """Write the spec of a set, where it is not there yet."""
        self.make_root()
        path = self.layout.spec(spec.fingerprint)
        if not path.exists():
            write_text(path, spec.to_json() + "\n")

    def keep_layers(self, path: Path) -> None:
        """Copy a file of fine-tuned layers beside the features, so that heads can take them along.

        Raises
        ------
        CacheWriteError
            The file system refused.
        """
        self.make_root()
        target = self.layout.tuned / path.name
        if not target.exists():
            with atomic_path(target) as partial:
                shutil.copyfile(path, partial)

    def open_set(self, spec: FeatureSpec, digests: NDArray[np.uint8] | None = None) -> ShardSet:
        """Open the shards of ``spec``; a set that does not exist yet has no rows.

        Parameters
        ----------
        spec : FeatureSpec
        digests : ndarray of uint8, shape (n, 32), optional
            The rows that are asked for. Behind a URL, shards are not listed where an index names
            all these rows.
        """
        return open_set(self.layout.shards(spec.fingerprint), spec, digests)

    def open_spec(
        self, spec: AnySpec, digests: NDArray[np.uint8] | None = None
    ) -> ShardSet | JoinedShards:
        """Open the set of ``spec``, or the sets of a joined one side by side; see ``open_set``."""
        sets = [self.open_set(part, digests) for part in spec.parts]
        return sets[0] if len(sets) == 1 else JoinedShards(sets)

    def join_small_shards(self, spec: FeatureSpec) -> str:
        """Join the small shards of a set into few large ones, for the end of a run.

        Nothing is done while they are few. The joined shard stands before the small ones go, so
        that a kill costs nothing and readers go on; memory is bounded.

        Returns
        -------
        str
            Why it could not be done (a full disk, a damaged shard), for people; else empty. No row
            is lost then, and the next run or ``featx cache compact`` joins them.
        """
        try:
            join_small_shards(self.layout.shards(spec.fingerprint), spec)
        except CacheError as error:
            return f"many small shards stay as they are, which is slower to read: {error}"
        return ""

    def read_spec(self, fingerprint: str) -> FeatureSpec:
        """Read the spec of a set; raises CacheFormatError where it is absent or damaged."""
        path = self.layout.spec(fingerprint)
        try:
            spec = FeatureSpec.from_json(path.read_text(encoding="ascii"))
        except (OSError, UnicodeDecodeError) as error:
            raise CacheFormatError(f"{path}: not readable ({error})") from error
        if spec.fingerprint != fingerprint:
            raise CacheFormatError(f"{path}: the spec does not hash to its folder's name")
        return spec

    def write_manifest(self, manifest: Manifest) -> None:
        """Replace the snapshot of a source."""
        self.make_root()
        write_manifest(self.layout.manifest(manifest.name), manifest)

    def read_manifest(self, name: str) -> Manifest | None:
        """Read the snapshot of a source, or None where there is none."""
        try:
            return read_manifest(self.layout.manifest(name))
        except FileNotFoundError:
            return None

    def snapshot_names(self, name: str) -> list[str]:
        """Return the names of a source's snapshots: its own, and those of parts and scorings."""
        stems = [path.stem for path in self.layout.manifest_paths()]
        return [stem for stem in stems if stem == name or stem.startswith(f"{name}.")]

    def begin_run(
        self,
        kind: str,
        name: str,
        location: str,
        specs: Sequence[FeatureSpec],
        started_ns: int | None = None,
    ) -> Run:
        """Begin a run, which names the rows that it uses; see ``Run``.

        Nothing is written before the first rows are named.

        Parameters
        ----------
        kind : str
            ``extract``, ``score`` or ``transform``.
        name, location : str
            Of the source; a transformer's name is ``transformer``.
        specs : sequence of FeatureSpec
        started_ns : int, optional
            When the stamps of the source's files were taken; by default now.
        """
        return Run(self, new_header(kind, name, location, specs, started_ns))

    def read_journals(self) -> list[Journal]:
        """Read the journals of all unfinished runs, of this process and of others.

        Raises
        ------
        CacheFormatError
            One is damaged.
        """
        journals = []
        for path in self.layout.journal_paths():
            with suppress(FileNotFoundError):  # that run has just ended
                journals.append(read_journal(path))
        return journals

    def recall_digests(
        self, name: str, listing: Listing, stamps: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """Return the digests ``(n, 32)`` that unfinished runs over a source took; zeros for others.

        An image counts as known where its id and stamp are the same as then.
        """
        digests = np.zeros((len(listing), DIGEST_BYTES), np.uint8)
        journals = [j for j in self._sound_journals() if j.header.name == name]
        if not journals:
            return digests
        rows = np.arange(len(listing))
        keys = [key.tobytes() for key in sample_keys(listing.sample_ids, stamps, rows)]
        for journal in journals:
            taken = dict(zip(map(bytes, journal.sample_keys), journal.digests, strict=True))
            for row in np.flatnonzero(prove_unchanged(stamps, journal.header.started_ns)).tolist():
                if keys[row] in taken:
                    digests[row] = taken[keys[row]]
        return digests

    def _sound_journals(self) -> Iterator[Journal]:
        for path in self.layout.journal_paths():
            with suppress(FileNotFoundError, CacheFormatError):
                yield read_journal(path)

    def write_quarantine(self, name: str, bad: Sequence[BadImage]) -> None:
        """Replace the list of a source's unreadable images."""
        self.make_root()
        write_quarantine(self.layout.quarantine(name), bad)

    def read_quarantine(self, name: str) -> list[BadImage]:
        """Read the list of a source's unreadable images."""
        return read_quarantine(self.layout.quarantine(name))

    def write_run(self, record: RunRecord) -> None:
        """Replace the record of a source's last extraction under one spec."""
        if isinstance(self.root, RemotePath):
            self.index_shards(record.fingerprint)
        write_run(self.layout.run(record.fingerprint, record.manifest), record)

    def index_shards(self, fingerprint: str) -> None:
        """Note which rows are in which shards of a set behind a URL."""
        index_shards(self.layout.shards(fingerprint), self.read_spec(fingerprint))

    def read_run(self, fingerprint: str, manifest: str) -> RunRecord | None:
        """Read the record of a source's last extraction under one spec, or None."""
        try:
            return read_run(self.layout.run(fingerprint, manifest))
        except FileNotFoundError:
            return None

    def list_features(
        self, unreadable: list[CacheFormatError] | None = None
    ) -> list[StoredFeatures]:
        """List every source under every spec, newest first.

        Parameters
        ----------
        unreadable : list, optional
            Takes an error for each record that cannot be read and so is not listed.
        """
        stored: list[StoredFeatures] = []
        for path in self.layout.run_paths():
            try:
                record = read_run(path)
                spec = self.read_spec(record.fingerprint)
                stored.append(StoredFeatures(record, spec, self.layout))
            except CacheFormatError as error:
                if unreadable is not None:
                    unreadable.append(error)
        stored += self._unfinished({(s.record.manifest, s.record.fingerprint) for s in stored})
        return sorted(stored, key=lambda s: s.record.finished_ns, reverse=True)

    def _unfinished(self, finished: set[tuple[str, str]]) -> Iterator[StoredFeatures]:
        """Yield what only runs that did not finish know of."""
        digests: dict[tuple[str, str], list[NDArray[np.uint8]]] = {}
        for journal in self._sound_journals():
            name = snapshot_name(journal.header)
            for fingerprint in journal.header.fingerprints:
                if (name, fingerprint) not in finished:
                    digests.setdefault((name, fingerprint), []).append(journal.digests)
        for (name, fingerprint), columns in digests.items():
            n_rows = len(np.unique(np.concatenate(columns), axis=0))
            record = RunRecord(name, fingerprint, 0, n_rows, 0, 0, 0, 0.0, "", kind=UNFINISHED)
            with suppress(CacheFormatError):  # killed before its first row
                yield StoredFeatures(record, self.read_spec(fingerprint), self.layout)

    def find(self, name: str | None = None, only_one: bool = False) -> StoredFeatures:
        """Return the features that ``name`` names, by default the newest that were extracted.

        Parameters
        ----------
        name : str, optional
            A source, ``source@fingerprint``, a fingerprint, or a backbone; the beginning of a name
            or fingerprint where it is unambiguous. Of several features of one source the newest.
        only_one : bool
            Refuse a name that several features of one source answer to.

        Raises
        ------
        FeaturesNotFoundError
            The cache is empty, nothing in it answers to ``name``, or several sources do.
        """
        parts = self.find_parts(name, only_one)
        if len(parts) > 1:
            raise FeaturesNotFoundError(
                f"{name!r} joins {len(parts)} sets of features, and this takes one. Name one of "
                f"them: {', '.join(part.name for part in parts)}"
            )
        return parts[0]

    def find_parts(self, name: str | None = None, only_one: bool = False) -> list[StoredFeatures]:
        """Return the features that ``name`` means, several where it joins them, as in ``a+b``.

        Parameters
        ----------
        name, only_one
            See ``find``.

        Raises
        ------
        FeaturesNotFoundError
            See ``find``.
        """
        unreadable: list[CacheFormatError] = []
        stored = self.list_features(unreadable)
        if unreadable and not stored:
            raise unreadable[0]
        if not stored:
            raise FeaturesNotFoundError(
                f"the cache {self.root} holds no features: run `featx extract` first, or name "
                "another cache with --cache"
            )
        if name is not None:
            return choose_parts(stored, name, only_one)
        extracted = [s for s in stored if s.is_extracted]
        if not extracted:
            names = ", ".join(s.name for s in stored)
            raise FeaturesNotFoundError(
                f"the cache {self.root} holds no features of a finished extraction: run `featx "
                f"extract`, or name one of these: {names}"
            )
        return extracted[:1]

    def open_features(self, name: str | None = None) -> FeatureSet:
        """Open the features that ``name`` names, lazily; ``a+b`` opens two sets side by side.

        Raises
        ------
        FeaturesNotFoundError, CacheFormatError
            Nothing answers to the name, the snapshot of its source is damaged, or sets that are
            joined share no image.
        ConfigError
            A set is joined with itself, or there are too many.
        """
        parts = self.find_parts(name)
        manifest = self.snapshot_of(parts[0])
        shards = self.open_spec(joined([part.spec for part in parts]), manifest.digests)
        features = FeatureSet(manifest, shards, self.layout)
        if len(parts) > 1:
            features.check_shared()
        return features

    def snapshot_of(self, stored: StoredFeatures) -> Manifest:
        """Read the snapshot of a source.

        Raises
        ------
        FeaturesNotFoundError, CacheFormatError
            It is not there, or damaged.
        """
        if stored.record.kind == UNFINISHED:
            raise FeaturesNotFoundError(
                f"{stored.name} is of a run that has not finished: the command that began it goes "
                "on from there"
            )
        manifest = self.read_manifest(stored.record.manifest)
        if manifest is None:
            raise FeaturesNotFoundError(
                f"the snapshot of the source {stored.record.manifest!r} is gone: extract it again"
            )
        return manifest
