"""Compact: join small shards into large ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import CacheFormatError
from ..format.compression import check_compression
from ..format.shard import Shard, write_rows
from ..layout import size_of
from ..store import FeatureStore

TARGET_BYTES = 256 << 20


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
    damaged : list of str
        Shards that were left alone.
    """

    n_before: int = 0
    n_after: int = 0
    n_bytes_before: int = 0
    n_bytes_after: int = 0
    n_duplicates: int = 0
    damaged: list[str] = field(default_factory=list)


def compact(
    store: FeatureStore, compression: str | None = None, target_bytes: int = TARGET_BYTES
) -> CompactReport:
    """Join shards of less than half of ``target_bytes``, and compress anew where asked to.

    The joined shard stands, checked row by row, before the small ones go: killed in between, rows
    are there twice and the first answers. A reader that has the small ones open keeps them.

    Parameters
    ----------
    store : FeatureStore
    compression : str, optional
        What all shards shall be compressed with; by default each keeps what it has.
    target_bytes : int
        Bytes of a joined shard's rows; also about the memory that is needed.

    Raises
    ------
    CacheWriteError
        The disk refused; all rows are still there.
    """
    how = None if compression is None else check_compression(compression)
    report = CompactReport()
    for fingerprint in store.layout.fingerprints():
        before = store.layout.shard_paths(fingerprint)
        report.n_before += len(before)
        report.n_bytes_before += sum(map(size_of, before))
        shards = list(_sound_shards(before, fingerprint, report))
        for group in _groups(shards, how, target_bytes):
            report.n_duplicates += _join(group, how or group[0].compression)
        after = store.layout.shard_paths(fingerprint)
        report.n_after += len(after)
        report.n_bytes_after += sum(map(size_of, after))
    return report


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


def _groups(shards: Sequence[Shard], how: str | None, target: int) -> Iterator[list[Shard]]:
    """Yield neighbouring shards that shall become one."""
    group: list[Shard] = []
    for shard in shards:
        other = how is not None and shard.compression != how
        if not other and _row_bytes(shard) > target // 2:
            continue
        fits = sum(map(_row_bytes, group)) + _row_bytes(shard) <= target
        alike = not group or how is not None or shard.compression == group[0].compression
        if group and not (fits and alike):
            if _is_worth_it(group, how):
                yield group
            group = []
        group.append(shard)
    if group and _is_worth_it(group, how):
        yield group


def _is_worth_it(group: Sequence[Shard], how: str | None) -> bool:
    return len(group) > 1 or (how is not None and group[0].compression != how)


def _row_bytes(shard: Shard) -> int:
    return len(shard) * shard.n_features * shard.dtype.itemsize


def _join(group: Sequence[Shard], compression: str) -> int:
    """Write one shard, remove those that it replaces; return how many duplicates were dropped."""
    digests = np.concatenate([shard.digests for shard in group])
    views = np.concatenate([shard.views for shard in group])
    keys = np.concatenate([digests, views.astype("<u2")[:, None].view(np.uint8)], axis=1)
    kept = np.sort(np.unique(keys, axis=0, return_index=True)[1])
    X = np.concatenate([shard.rows(0, len(shard)) for shard in group])
    if len(kept) < len(X):
        digests, views, X = digests[kept], views[kept], X[kept]
    first = group[0]
    write_rows(first.path.parent, first.spec, (digests, views, X), compression)
    for shard in group:
        shard.path.unlink(missing_ok=True)
    return sum(map(len, group)) - len(kept)
