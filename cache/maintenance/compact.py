"""Compact: join small shards into large ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from ..errors import CacheFormatError
from ..format.compression import check_compression
from ..layout import size_of
from ..places.remote_path import RemotePath
from ..records.split_table import join_assignments
from ..shards.join import TARGET_BYTES, groups, join, joining
from ..shards.shard import Shard
from ..store import FeatureStore


@dataclass
class CompactReport:
    """What ``compact`` did.

    Attributes
    ----------
    n_before, n_after : int
        Shards in the whole cache.
    n_bytes_before, n_bytes_after : int
        Their bytes.
    n_duplicates : int
        Rows that two runs had made side by side and that are kept once now.
    n_split_files : int
        Files of the table of splits that were joined to others.
    damaged : list of str
        What was left alone, and why.
    """

    n_before: int = 0
    n_after: int = 0
    n_bytes_before: int = 0
    n_bytes_after: int = 0
    n_duplicates: int = 0
    n_split_files: int = 0
    damaged: list[str] = field(default_factory=list)


def compact(
    store: FeatureStore, compression: str | None = None, target_bytes: int = TARGET_BYTES
) -> CompactReport:
    """Join shards of less than half of ``target_bytes``, and compress anew where asked to.

    The joined shard stands, checked row by row, before the small ones go. A reader that has the
    small ones open goes on, and memory is bounded.

    Parameters
    ----------
    store : FeatureStore
    compression : str, optional
        What all shards shall be compressed with; by default each keeps what it has.
    target_bytes : int
        Bytes of a joined shard's rows.

    Raises
    ------
    CacheWriteError
        The disk refused; all rows are still there.
    """
    wanted = None if compression is None else check_compression(compression)
    report = CompactReport()
    for fingerprint in store.layout.fingerprints():
        before = store.layout.shard_paths(fingerprint)
        report.n_before += len(before)
        report.n_bytes_before += sum(map(size_of, before))
        if before:
            _compact_set(before, wanted, target_bytes, report)
            if isinstance(store.root, RemotePath):
                store.index_shards(fingerprint)
        after = store.layout.shard_paths(fingerprint)
        report.n_after += len(after)
        report.n_bytes_after += sum(map(size_of, after))
    report.n_split_files = join_assignments(store.layout)
    return report


def _compact_set(
    paths: Sequence[Path], wanted: str | None, target_bytes: int, report: CompactReport
) -> None:
    folder = paths[0].parent
    with joining(folder) as is_free:
        if not is_free:
            report.damaged.append(f"{folder}: another process joins its shards now")
            return
        shards = (
            shard
            for shard in _sound_shards(paths, folder.parent.name, report)
            if shard.row_bytes <= target_bytes // 2 or _differs(shard, wanted)
        )
        for _, alike in groupby(shards, lambda shard: wanted or shard.compression):
            for group in groups(alike, target_bytes):
                if len(group) > 1 or _differs(group[0], wanted):
                    report.n_duplicates += join(group, wanted or group[0].compression)


def _differs(shard: Shard, wanted: str | None) -> bool:
    return wanted is not None and shard.compression != wanted


def _sound_shards(
    paths: Sequence[Path], fingerprint: str, report: CompactReport
) -> Iterator[Shard]:
    for path in paths:
        try:
            shard = Shard(path, fingerprint, keep_open=False)
            if not len(shard.bad_rows()):
                yield shard
                continue
            report.damaged.append(f"{path}: damaged rows; run `featx cache repair`")
        except FileNotFoundError:
            continue
        except CacheFormatError as error:
            report.damaged.append(str(error))
