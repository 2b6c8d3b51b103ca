"""Run: one use of the cache in progress, which names every row that it needs."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from .errors import CacheFormatError, CacheWriteError, ConfigError
from .format.strings import StringColumn
from .manifest import NO_LABEL, NO_SPLIT, Listing, Manifest, has_digest
from .records.journal import (
    JournalHeader,
    JournalWriter,
    RemoteJournal,
    is_in_use,
    new_journal,
    read_journal,
)
from .records.run_record import (
    BASELINE,
    EXTRACT,
    PART,
    SCORE,
    TRANSFORM,
    TUNING,
    RunRecord,
)
from .shards.shard import unique_name
from .spec import FeatureSpec
from .suggest import did_you_mean

if TYPE_CHECKING:
    from .store import FeatureStore

KINDS = (EXTRACT, SCORE, TRANSFORM, BASELINE, TUNING, PART)
SCORED = ".scored"


class Run:
    """One extraction, scoring or transformation that uses rows of the cache.

    ``gc`` deletes rows that nobody names. So a run names its rows first: those that it is about to
    write (``name_rows``) and those that it found (``count_on``). Both are on the disk when the call
    returns. Any number of runs go on side by side, also of one source.

    A run ends with ``finish``: from then on a snapshot names its rows. A run that dies or fails
    keeps its rows until a run of the same kind and source finishes, or until ``gc`` finds that
    nobody has touched its journal for a week. A later run of the source asks for the digests that
    it took (``FeatureStore.recall_digests``).

    Use it as a context manager, and get one from ``FeatureStore.begin_run``::

        with store.begin_run("extract", source.name, source.location, [spec]) as run:
            run.count_on(digests_known_by_now, keys)  # then ask the set which rows are missing
            run.name_rows(batch.digests, keys)        # for each shard, before it
            store.write_rows(spec, [batch])
            run.finish(manifest, [record])

    A row is safe to count on if it is found *after* it was named.

    Parameters
    ----------
    store : FeatureStore
    header : JournalHeader
    """

    def __init__(self, store: FeatureStore, header: JournalHeader) -> None:
        if header.kind not in KINDS:
            raise ConfigError(f"unknown kind {header.kind!r}. {did_you_mean(header.kind, KINDS)}")
        self._store = store
        self.header = header
        self._journal: JournalWriter | RemoteJournal | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def snapshot_name(self) -> str:
        """Name under which ``featx cache ls`` lists an extraction or a scoring.

        A scoring has a name of its own, so that it changes neither the snapshot nor the age of the
        features that were extracted from the same source.
        """
        return snapshot_name(self.header)

    def name_rows(
        self, digests: NDArray[np.uint8], sample_keys: NDArray[np.uint8] | None = None
    ) -> None:
        """Name rows by their digests ``(n, 32)``; the journal is made when the first are named.

        May be called from several threads. Zeros, which stand for images that cannot be read, are
        left out. ``sample_keys`` ``(n, 16)``
        (see ``records.journal.sample_keys``) let a later run take over the digests.

        Raises
        ------
        CacheWriteError
            The disk refused: the rows must not be written.
        """
        named = has_digest(digests)
        if not named.any():
            return
        keys = None if sample_keys is None else sample_keys[named]
        with self._lock:
            if self._journal is None:
                self._store.make_root()
                folder = self._store.layout.journals
                self._journal = new_journal(folder, unique_name(), self.header)
            self._journal.append(digests[named], keys)

    def count_on(
        self, digests: NDArray[np.uint8], sample_keys: NDArray[np.uint8] | None = None
    ) -> None:
        """Name rows that are there already, where the cache can be written to."""
        with suppress(CacheWriteError):
            self.name_rows(digests, sample_keys)

    def finish(
        self, manifest: Manifest | None = None, records: Sequence[RunRecord] = ()
    ) -> list[RunRecord]:
        """End the run: write its snapshot and records; then the journal goes.

        Parameters
        ----------
        manifest : Manifest, optional
            Of an extraction or a scoring; its name becomes ``snapshot_name``. A transformation has
            none: the digests that it named become its snapshot, together with those of earlier
            transformations under the same spec.
        records : sequence of RunRecord
            One for each set; kind and name are filled in.

        Returns
        -------
        list of RunRecord
            As they were written.

        Raises
        ------
        CacheWriteError
            The disk refused; the rows stay named. A run that named nothing and whose snapshot is
            the one in the cache needs no permission to write.
        """
        if manifest is None:
            written = self._finish_transformation()
        else:
            manifest = replace(manifest, name=self.snapshot_name)
            name, kind = self.snapshot_name, self.header.kind
            written = [replace(record, manifest=name, kind=kind) for record in records]
            self._write(manifest, written)
        self._drop_journals()
        return written

    def close(self) -> None:
        """Let go of the journal; an unfinished run keeps its rows."""
        if self._journal is not None:
            self._journal.close()

    def _write(self, manifest: Manifest, records: Sequence[RunRecord]) -> None:
        store = self._store
        try:
            store.write_manifest(manifest)
            for record in records:
                store.write_run(record)
        except CacheWriteError:
            if self._journal is not None or not self._is_written(manifest, records):
                raise

    def _is_written(self, manifest: Manifest, records: Sequence[RunRecord]) -> bool:
        store = self._store
        stored = store.read_manifest(manifest.name)
        paths = [store.layout.run(record.fingerprint, record.manifest) for record in records]
        is_same = stored is not None and stored.data_digest == manifest.data_digest
        return is_same and all(path.exists() for path in paths)

    def _finish_transformation(self) -> list[RunRecord]:
        if self._journal is None:
            return []
        digests = np.concatenate([read_journal(path).digests for path in self._journal.paths])
        return [self._add_to_snapshot(f, digests) for f in self.header.fingerprints]

    def _add_to_snapshot(self, fingerprint: str, digests: NDArray[np.uint8]) -> RunRecord:
        """Write a snapshot of ``digests`` and of those that earlier ones name; they go then."""
        earlier = list(self._earlier_snapshots(fingerprint))
        columns = [digests, *(manifest.digests for _, manifest in earlier)]
        union = np.unique(np.concatenate(columns), axis=0)
        for record, manifest in earlier:
            if len(manifest) == len(union):
                return record
        name = f"{self.header.name}-{uuid.uuid4().hex[:8]}"
        now, n = time.time_ns(), len(union)
        snapshot = _snapshot_of(union, name, self.header.location, now)
        n_new = n - max((len(manifest) for _, manifest in earlier), default=0)
        record = RunRecord(name, fingerprint, now, n, n_new, n - n_new, 0, 0.0, "", kind=TRANSFORM)
        self._store.write_manifest(snapshot)
        self._store.write_run(record)
        for old, _ in earlier:
            self._store.layout.run(fingerprint, old.manifest).unlink(missing_ok=True)
            self._store.layout.manifest(old.manifest).unlink(missing_ok=True)
        return record

    def _earlier_snapshots(self, fingerprint: str) -> Iterable[tuple[RunRecord, Manifest]]:
        for path in self._store.layout.run_paths(fingerprint):
            if not path.stem.startswith(f"{self.header.name}-"):
                continue
            # A transformation beside this one may have joined it into a snapshot of its own.
            with suppress(CacheFormatError, FileNotFoundError):
                record = self._store.read_run(fingerprint, path.stem)
                manifest = self._store.read_manifest(path.stem)
                if record is not None and manifest is not None and record.kind == TRANSFORM:
                    yield record, manifest

    def _drop_journals(self) -> None:
        """Remove the journal, and those of earlier runs that this one supersedes."""
        if self._journal is None:
            return
        self._journal.close()
        for path in self._journal.paths:
            path.unlink(missing_ok=True)
        if self.header.kind == TRANSFORM:
            return
        for journal in self._store.read_journals():
            header = journal.header
            same = (header.kind, header.name) == (self.header.kind, self.header.name)
            if same and not is_in_use(journal.path):
                journal.path.unlink(missing_ok=True)


def snapshot_name(header: JournalHeader) -> str:
    """Return the name under which ``featx cache ls`` lists a run."""
    return header.name + (SCORED if header.kind == SCORE else "")


def new_header(
    kind: str, name: str, location: str, specs: Sequence[FeatureSpec], started_ns: int | None
) -> JournalHeader:
    """Return what a run that begins now says of itself."""
    fingerprints = [spec.fingerprint for spec in specs]
    return JournalHeader(kind, name, location, fingerprints, started_ns or time.time_ns())


def _snapshot_of(digests: NDArray[np.uint8], name: str, location: str, now: int) -> Manifest:
    n = len(digests)
    ids = StringColumn.from_strings(digest.tobytes().hex() for digest in digests)
    listing = Listing(ids, np.full(n, NO_LABEL), np.full(n, NO_SPLIT, np.int8), None, ())
    return Manifest(name, location, listing, digests, np.zeros((n, 3), np.int64), now)
